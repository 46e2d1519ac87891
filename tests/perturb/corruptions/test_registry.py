"""What all corruptions have in common, on the bundled photos and on drawn pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import get_args

import numpy as np
import pytest
from drawn_pictures import generator, pictures, seeds, shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from onnx_ood import models
from onnx_ood.exceptions import UsageError
from onnx_ood.perturb import (
    BySize,
    Family,
    apply,
    find_corruption,
    list_corruptions,
    register_corruption,
    register_synthetic_ood,
    synthetic_ood,
)
from onnx_ood.perturb.corruptions import registry

Pictures = NDArray[np.float32]
NOTHING_RANDOM = {
    "defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression",
    "saturate", "invert", "posterize", "solarize", "darker", "upside_down",
}  # fmt: skip
# The module's docstring says why; elsewhere, a higher severity must change more.
NOT_BY_SEVERITY = {
    **{size: {"glass_blur", "frost", "motion_blur", "pixelate"} for size in (28, 32)},
    64: {"glass_blur", "frost"},
    224: {"glass_blur", "frost", "snow"},
}
FAMILIES: tuple[Family, ...] = get_args(Family)
STANDARD, OVERLAYS = list_corruptions("standard"), list_corruptions("overlay")
GRADED = [name for name in list_corruptions() if find_corruption(name).severities]
COMBINATIONS = [(name, severity) for name in GRADED for severity in find_corruption(name).severities]


@cache
def photos(side: int, count: int) -> Pictures:
    """Bundled photos resized to a square, read-only."""
    pictures = []
    for path in models.photos()[:count]:
        with Image.open(path) as photo:
            pictures.append(np.asarray(photo.convert("RGB").resize((side, side), Image.Resampling.BOX)))
    stacked = (np.stack(pictures) / 255).astype(np.float32)
    stacked.flags.writeable = False
    return stacked


def garments(count: int) -> Pictures:
    return (models.fashion_samples()[0][:count, ..., np.newaxis] / 255).astype(np.float32)


def test_families_keep_their_members_and_order() -> None:
    assert STANDARD == (
        "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
        "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
    )  # fmt: skip
    # Draws depend on the place in a family: new overlays come last.
    assert OVERLAYS[:4] == ("scribble", "text", "occlusion", "patch_shuffle")
    assert {len(find_corruption(name).severities) for name in (*STANDARD, *OVERLAYS)} == {5}
    assert list_corruptions("demo")[:5] == (
        "gaussian_noise",
        "gaussian_blur",
        "contrast",
        "scribble",
        "patch_shuffle",
    )
    assert list_corruptions("mild") == ("shifted", "shifted_back", "dimmed", "noisy")
    assert tuple(synthetic_ood()) == ("uniform_noise", "pink_noise", "constant")
    # What detectors learn from must not be what they are tested on.
    assert not {*list_corruptions("pseudo_ood")} & {*STANDARD, *OVERLAYS, *list_corruptions("demo")}
    assert {*list_corruptions()} == {name for family in FAMILIES for name in list_corruptions(family)}


def test_a_registered_corruption_is_found_and_applied() -> None:
    @register_corruption(
        name="test_halved",
        families={"overlay"},
        severities=BySize(small=(0.5,), middle=(0.25,), large=((0.125,),)),
        strengths={"demo": (0.75,)},
    )
    def halved(picture: Pictures, generator: np.random.Generator, share: float) -> Pictures:
        return picture * np.float32(share)

    try:
        assert (
            list_corruptions("overlay")[-1]
            == list_corruptions("demo")[-1]
            == list_corruptions()[-1]
            == "test_halved"
        )
        for side, share in ((8, 0.5), (100, 0.25), (200, 0.125)):
            assert (
                apply("test_halved", 1, np.ones((1, side, side, 1), np.float32), generator()) == share
            ).all()
        demo = find_corruption("test_halved").at("demo")
        assert (demo(np.ones((8, 8, 3), np.float32), generator()) == 0.75).all()
        with pytest.raises(ValueError, match="'test_halved' is registered already"):
            register_corruption(name="test_halved")(halved)
    finally:
        del registry._corruptions["test_halved"]


def test_a_registered_maker_of_pictures_is_found() -> None:
    def black(shape: Sequence[int], generator: np.random.Generator) -> Pictures:
        return np.zeros(shape, np.float32)

    try:
        register_synthetic_ood(black)
        assert synthetic_ood()["black"] is black
        with pytest.raises(TypeError):
            synthetic_ood()["other"] = black  # type: ignore[index]
    finally:
        del registry._synthetic_ood["black"]


@pytest.mark.parametrize("name", GRADED)
def test_each_size_has_constants_for_each_severity(name: str) -> None:
    corruption = find_corruption(name)
    assert (
        len(corruption.small) == len(corruption.middle) == len(corruption.large) == len(corruption.severities)
    )
    assert (corruption.constants(48), corruption.constants(49)) == (corruption.small, corruption.middle)
    assert (corruption.constants(128), corruption.constants(129)) == (corruption.middle, corruption.large)


@given(
    st.sampled_from(COMBINATIONS),
    st.tuples(st.integers(1, 3), st.integers(8, 70), st.integers(8, 70), st.sampled_from([1, 3])),
    st.integers(0, 2**32),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=250)
def test_shape_range_and_argument_are_kept_and_draws_repeat(
    combination: tuple[str, int], shape: tuple[int, int, int, int], seed: int, dtype: type
) -> None:
    name, severity = combination
    if find_corruption(name).needs_colour:
        shape = (*shape[:3], 3)
    images = generator(seed).random(shape).astype(dtype)
    before = images.copy()
    altered = apply(name, severity, images, generator(seed))
    assert (altered.shape, altered.dtype) == (shape, np.float32)
    assert ((altered >= 0) & (altered <= 1)).all()
    np.testing.assert_array_equal(images, before)
    assert not np.shares_memory(altered, images)
    assert apply(name, severity, images, generator(seed)).tobytes() == altered.tobytes()


@pytest.mark.parametrize("name", GRADED)
def test_any_severity_works_on_black_white_large_and_no_pictures(name: str) -> None:
    for severity in find_corruption(name).severities:
        for images in (np.zeros((1, 9, 30, 3), np.float32), np.ones((2, 130, 140, 3), np.float32)):
            altered = apply(name, severity, images, generator())
            assert ((altered >= 0) & (altered <= 1)).all()
        assert apply(name, severity, np.empty((0, 32, 32, 3), np.float32), generator()).shape == (
            0,
            32,
            32,
            3,
        )


@pytest.mark.parametrize("name", GRADED)
def test_every_picture_has_its_own_draws_and_global_state_has_none(name: str) -> None:
    severity = find_corruption(name).severities[-1]
    batch = np.repeat(photos(40, 1), 12, axis=0)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    source = generator()
    before = source.bit_generator.state
    altered = apply(name, severity, batch, source)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    versions = len({picture.tobytes() for picture in altered})
    if name in NOTHING_RANDOM:
        assert source.bit_generator.state == before
        assert versions == 1
    else:
        assert source.bit_generator.state != before
        # A blend of a picture with its double is that picture; five orders of channels and two of halves are all.
        assert versions == 1 if name == "blend" else versions > 1


@pytest.mark.parametrize("name", [name for name in GRADED if name != "blend"])
def test_a_picture_alone_is_altered_as_the_first_of_a_batch(name: str) -> None:
    batch = photos(36, 3)
    together = apply(name, 1, batch, generator(3))
    np.testing.assert_array_equal(apply(name, 1, batch[:1], generator(3)), together[:1])


@pytest.mark.parametrize("name", GRADED)
def test_a_higher_severity_changes_pictures_more(name: str) -> None:
    corruption = find_corruption(name)
    # Draws of the same state, and enough pictures that those which differ between severities even out.
    sets = [photos(224, 4), photos(64, 16), photos(32, 24), garments(60)]
    for images in sets:
        if corruption.needs_colour and images.shape[-1] == 1:
            continue
        change = [
            float(np.mean((apply(name, severity, images, generator()) - images) ** 2))
            for severity in corruption.severities
        ]
        # As visible as it has to be: half a per cent of the range, as root mean square, and not wholly destroyed.
        assert change[0] > 0.005**2
        if name in NOT_BY_SEVERITY[images.shape[1]]:
            # The ends are in order all the same, or nearly.
            assert change[-1] > 0.9 * change[0]
        else:
            assert change == sorted(set(change))


@pytest.mark.parametrize("name", STANDARD + OVERLAYS)
@pytest.mark.parametrize("side", [28, 32, 224])
def test_the_weakest_severity_leaves_pictures_recognisable(name: str, side: int) -> None:
    """A picture at severity 1 is more like itself than any other picture is, for nearly all of them."""
    images = garments(40) if side == 28 else photos(side, 12)
    altered = apply(name, 1, images, generator())
    flat, other = (part.reshape(len(images), -1).astype(np.float64) for part in (images, altered))
    alike = np.corrcoef(flat, other)[: len(flat), len(flat) :]
    assert (alike.argmax(axis=0) == np.arange(len(flat))).mean() > 0.9


def test_a_blend_takes_another_picture_of_the_batch_each_equally_often() -> None:
    levels = np.arange(5, dtype=np.float32) / 10
    batch = np.repeat(np.tile(levels, 400), 64).reshape(-1, 8, 8, 1)
    blended = apply("blend", 5, batch[:5], generator())
    for i, picture in enumerate(blended):
        mixed = 2 * picture[0, 0, 0] - levels[i]
        assert np.abs(levels - mixed).argmin() != i
    # Of 2000 pictures, 399 others have the same level as each.
    others = (2 * apply("blend", 5, batch, generator())[:, 0, 0, 0] - batch[:, 0, 0, 0]) * 10
    counts = np.bincount(np.rint(others).astype(int), minlength=5)
    assert counts.min() > 300


def test_a_blend_of_one_picture_is_with_itself_upside_down() -> None:
    image = photos(32, 1)
    expected = (image.astype(np.float64) + image[:, ::-1, ::-1]) / 2
    np.testing.assert_allclose(apply("blend", 5, image, generator()), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "severity", "shape", "words"),
    [
        ("mist", 1, (1, 32, 32, 3), "unknown corruption 'mist'; choose from gaussian_noise, shot_noise"),
        ("forst", 1, (1, 32, 32, 3), "unknown corruption 'forst'; did you mean 'frost'?"),
        ("gaussian_blur", 1, (1, 32, 32, 3), "gaussian_blur has no severity 1; it has one strength"),
        ("fog", 0, (1, 32, 32, 3), "fog has no severity 0; choose 1 to 5"),
        ("fog", 6, (1, 32, 32, 3), "fog has no severity 6"),
        ("invert", 2, (1, 32, 32, 3), "invert has no severity 2; choose 1"),
        ("fog", 1, (1, 32, 7, 3), "at least 8 x 8 pixels, found 32 x 7"),
        ("fog", 1, (1, 32, 32, 4), "1 or 3 channels, found 4"),
        ("saturate", 1, (1, 32, 32, 1), "saturate needs pictures of 3 channels, found 1"),
        ("channel_swap", 1, (1, 32, 32, 1), "channel_swap needs pictures of 3 channels"),
    ],
)
def test_mistakes_are_told_in_one_line(name: str, severity: int, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        apply(name, severity, np.zeros(shape, np.float32), generator())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (np.zeros((1, 32, 32, 3), np.uint8), TypeError),
        (np.zeros((32, 32, 3), np.float32), ValueError),
        (np.full((1, 32, 32, 3), 1.01, np.float32), ValueError),
        (np.full((1, 32, 32, 3), np.nan, np.float32), ValueError),
    ],
)
def test_what_is_no_batch_of_pictures_is_refused(images: Pictures, error: type[Exception]) -> None:
    with pytest.raises(error):
        apply("fog", 1, images, generator())


@given(shapes, seeds, st.sampled_from(list_corruptions("demo")))
def test_every_alteration_keeps_shape_and_range_and_its_input(
    shape: tuple[int, ...], seed: int, name: str
) -> None:
    image = pictures(*shape, seed=seed)
    before = image.copy()
    altered = find_corruption(name).at("demo")(image, generator(seed))
    assert (altered.shape, altered.dtype) == (shape, np.float32)
    assert ((altered >= 0) & (altered <= 1)).all()
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(altered, image)
    np.testing.assert_array_equal(find_corruption(name).at("demo")(image, generator(seed)), altered)


@pytest.mark.parametrize("name", ["gaussian_noise", "scribble", "patch_shuffle"])
def test_random_alterations_follow_the_generator_and_differ_between_pictures(name: str) -> None:
    batch = np.repeat(pictures(1, 24, 24, 3), 2, axis=0)
    first, second = find_corruption(name).at("demo")(batch, generator(0))
    assert (first != second).any()
    assert (find_corruption(name).at("demo")(batch, generator(1))[0] != first).any()


@pytest.mark.parametrize("name", ["gaussian_blur", "contrast"])
def test_the_others_draw_nothing_and_treat_each_picture_alone(name: str) -> None:
    batch = pictures(3, 24, 18, 3)
    source = generator(5)
    state = source.bit_generator.state
    altered = find_corruption(name).at("demo")(batch, source)
    assert source.bit_generator.state == state
    for image, result in zip(batch, altered, strict=True):
        np.testing.assert_array_equal(find_corruption(name).at("demo")(image, source), result)
