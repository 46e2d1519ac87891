"""Synthetic pictures against their distributions and spectra."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import generator, seeds, shapes
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, stats

from onnx_ood.perturb import synthetic_ood
from onnx_ood.perturb.corruptions.synthetic_ood import constant, pink_noise, uniform_noise


@given(shapes, seeds, st.sampled_from(sorted(synthetic_ood())))
def test_every_control_fills_the_shape_within_range(shape: tuple[int, ...], seed: int, name: str) -> None:
    drawn = synthetic_ood()[name](shape, generator(seed))
    assert (drawn.shape, drawn.dtype) == (shape, np.float32)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    np.testing.assert_array_equal(synthetic_ood()[name](list(shape), generator(seed)), drawn)


def spectral_slope(noise: NDArray[np.floating]) -> float:
    """Slope of log power over log frequency, from the radial average of one channel's periodogram."""
    side = noise.shape[0]
    power = np.abs(np.fft.fft2(noise - noise.mean())) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side) * side, np.fft.fftfreq(side) * side))
    rings = np.arange(3, side // 2)
    means = ndimage.mean(power, np.rint(radius), rings)
    return float(stats.linregress(np.log(rings), np.log(means)).slope)


def test_pink_noise_has_power_that_falls_with_the_square_of_frequency() -> None:
    noise = pink_noise((8, 128, 128, 1), generator())
    slopes = [spectral_slope(image[..., 0]) for image in noise]
    assert np.mean(slopes) == pytest.approx(-2, abs=0.1)
    white = uniform_noise((8, 128, 128, 1), generator())
    assert np.mean([spectral_slope(image[..., 0]) for image in white]) == pytest.approx(0, abs=0.1)


def test_pink_noise_fills_the_range_in_every_channel() -> None:
    noise = pink_noise((4, 32, 20, 3), generator())
    np.testing.assert_array_equal(noise.min(axis=(1, 2)), 0)
    np.testing.assert_array_equal(noise.max(axis=(1, 2)), 1)


def test_pink_noise_needs_two_pixels() -> None:
    with pytest.raises(ValueError, match="two pixels"):
        pink_noise((1, 1, 3), generator())


def test_uniform_noise_is_uniform() -> None:
    assert stats.kstest(uniform_noise((60, 60, 3), generator()).ravel(), "uniform").pvalue > 1e-3


def test_a_constant_is_one_colour_a_picture() -> None:
    drawn = constant((500, 6, 5, 3), generator())
    np.testing.assert_array_equal(drawn, np.broadcast_to(drawn[:, :1, :1], drawn.shape))
    assert stats.kstest(drawn[:, 0, 0].ravel(), "uniform").pvalue > 1e-3
    drawn[0, 0, 0] = 7  # Writable, and no view: one pixel is one pixel.
    assert (drawn == 7).sum() == 3


@pytest.mark.parametrize("name", sorted(synthetic_ood()))
def test_shapes_without_a_channel_axis_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\[H, W, C\]"):
        synthetic_ood()[name]((8, 8), generator())
