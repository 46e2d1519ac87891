"""Standard corruptions against the library imagecorruptions, at its sizes: 8-bit pictures of ImageNet's size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onnx_ood import models
from onnx_ood.perturb import apply, list_corruptions

pytestmark = pytest.mark.real
theirs = pytest.importorskip(
    "imagecorruptions.corruptions", reason="`make test-real` installs imagecorruptions"
)

SEVERITIES = range(1, 6)
ONE_STEP = 1 / 255
# How far a pixel may be off; each but two is altered in floats by both.
SAME_DRAWS = {
    "motion_blur": 1e-5,
    "zoom_blur": 1e-5,
    # They round their streaks to 8 bits, twice.
    "snow": 1.5 * ONE_STEP,
    "fog": 1e-5,
    "brightness": 1e-5,
    "contrast": 1e-5,
    "elastic_transform": 1e-4,
    "pixelate": 1.01 * ONE_STEP,
    "jpeg_compression": 1e-6,
    # Above a radius of 6 they cut the smoothed edge of the disk off, and so darken or brighten the picture by 1%.
    "defocus_blur": 0.015,
}
# How far the root mean square of the change may be off, as a share.
OTHER_DRAWS = {
    "gaussian_noise": 0.01,
    "shot_noise": 0.01,
    "impulse_noise": 0.02,
    "glass_blur": 0.02,
    "speckle_noise": 0.01,
}
# They smear snow that is beyond the edge into the picture, and then cut it off.
MARGIN = 25


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    pictures = []
    for path in models.photos()[::4]:
        with Image.open(path) as photo:
            # Not square, which both have to get right.
            pictures.append(np.asarray(photo.convert("RGB").resize((260, 224), Image.Resampling.BOX)))
    return np.stack(pictures)


@pytest.fixture
def draw_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the library draw what a generator of that seed draws."""

    def patch(seed: int) -> None:
        generator = np.random.default_rng(seed)
        monkeypatch.setattr(np.random, "uniform", generator.uniform)
        monkeypatch.setattr(np.random, "normal", generator.normal)

    return patch


def altered_by_them(name: str, severity: int, photo: NDArray[np.uint8]) -> NDArray[np.float64]:
    altered = getattr(theirs, name)(Image.fromarray(photo), severity)
    return np.clip(np.asarray(altered, np.float64) / 255, 0, 1)


def test_all_kinds_but_frost_which_is_drawn_are_compared() -> None:
    assert {*SAME_DRAWS, *OTHER_DRAWS} - {"speckle_noise"} == {*list_corruptions("standard")} - {"frost"}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", SAME_DRAWS)
def test_the_same_draws_give_the_same_picture(
    name: str, severity: int, photos: NDArray[np.uint8], draw_from: Callable[[int], None]
) -> None:
    # They bend pictures that aren't square more along their longer side.
    width = 224 if name == "elastic_transform" else 260
    inside = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN] if name == "snow" else np.s_[:, :]
    for seed, photo in enumerate(photos[:, :, :width]):
        images = (photo[np.newaxis] / 255).astype(np.float32)
        ours = apply(name, severity, images, np.random.default_rng(seed))[0]
        draw_from(seed)
        expected = altered_by_them(name, severity, photo)
        np.testing.assert_allclose(ours[inside], expected[inside], atol=SAME_DRAWS[name])


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", OTHER_DRAWS)
def test_other_draws_change_pictures_as_much(name: str, severity: int, photos: NDArray[np.uint8]) -> None:
    images = (photos / 255).astype(np.float32)
    ours = apply(name, severity, images, np.random.default_rng(0))
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    expected = np.stack([altered_by_them(name, severity, photo) for photo in photos])
    np.random.set_state(state)  # noqa: NPY002
    size, expected_size = (float(np.sqrt(((part - images) ** 2).mean())) for part in (ours, expected))
    assert size == pytest.approx(expected_size, rel=OTHER_DRAWS[name])
