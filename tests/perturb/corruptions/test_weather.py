"""Snow, frost and fog against closed forms and properties of their sources."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import generator, picture

from onnx_ood.perturb.corruptions import weather


def test_snow_adds_streaks_that_are_the_same_turned_by_a_half() -> None:
    black = np.zeros((64, 50, 1), np.float32)
    snowy = weather.snow(black, generator(), 0.1, 0.3, 2, 0.5, 10, 4, 1.0)
    np.testing.assert_allclose(snowy, snowy[::-1, ::-1], atol=1e-12)
    assert (snowy > 0).mean() > 0.1
    # Without flakes, what is left is the whitened picture.
    image = picture(20, 30)
    light = image @ np.array([0.299, 0.587, 0.114])
    expected = 0.7 * image + 0.3 * np.maximum(image, (1.5 * light + 0.5)[..., np.newaxis])
    calm = weather.snow(image, generator(), 0, 0.1, 2, 2, 10, 4, 0.7)
    np.testing.assert_allclose(calm, expected, atol=1e-6)


@pytest.mark.parametrize("side", [28, 64, 224])
def test_frost_is_pale_blue_and_about_as_bright_as_photographs_of_it(side: int) -> None:
    black = np.zeros((side, side, 3), np.float32)
    ice = np.stack([weather.frost(black, generator(seed), 1, 1) for seed in range(8)])
    assert 0.5 < ice.mean() < 0.7
    assert 0.1 < ice.std(axis=(1, 2, 3)).mean() < 0.2
    assert (np.diff(ice.mean(axis=(0, 1, 2))) > 0).all()
    alone = weather.frost(black[..., :1], generator(), 1, 1)
    np.testing.assert_allclose(alone[..., 0], ice[0] @ np.array([0.299, 0.587, 0.114]), atol=1e-9)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (33, 50), (128, 128)])
def test_fog_keeps_the_brightest_value_in_range(height: int, width: int) -> None:
    image = 0.8 * picture(height, width)
    foggy = weather.fog(image, generator(), 1.5, 2)
    brightest = float(image.max())
    clear = foggy * (brightest + 1.5) / brightest - image
    # The same fog over all channels, between none and the most.
    np.testing.assert_allclose(clear, np.broadcast_to(clear[..., :1], clear.shape), atol=1e-6)
    assert clear.min() > -1e-6
    assert clear.max() < 1.5 + 1e-6
    assert foggy.max() <= brightest + 1e-6


def test_fog_is_smoother_the_faster_it_decays() -> None:
    black = np.full((128, 128, 1), 1e-6, np.float32)
    rough, smooth = (
        np.stack([weather.fog(black, generator(seed), 1, decay) for seed in range(20)]) for decay in (1.4, 3)
    )
    slope = [np.abs(np.diff(fog, axis=1)).mean() / fog.std() for fog in (rough, smooth)]
    assert slope[0] > 2 * slope[1]
