"""Noise families: distributions, streams and ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onnx_ood import UsageError
from onnx_ood.perturb import FAMILIES, draw, draw_pink, draw_smooth

MANY = 200_000


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_have_mean_zero_and_standard_deviation_one(family: str) -> None:
    noise = draw(family, (MANY,), 1, seed=0)[0]
    assert stats.ttest_1samp(noise, 0).pvalue > 1e-3
    # Of the sample variance, from the family's own fourth moment.
    fourth = {"gaussian": 3.0, "uniform": 9 / 5}[family]
    assert abs(noise.var() - 1) < 4 * np.sqrt((fourth - 1) / MANY)
    assert abs(stats.skew(noise)) < 4 * np.sqrt(6 / MANY)
    assert stats.kurtosis(noise, fisher=False) == pytest.approx(fourth, rel=0.03)


@pytest.mark.parametrize(
    ("family", "distribution"),
    [("gaussian", stats.norm()), ("uniform", stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)))],
)
def test_draws_have_their_distribution(family: str, distribution: stats.rv_continuous) -> None:
    assert stats.kstest(draw(family, (20_000,), 1, seed=1)[0], distribution.cdf).pvalue > 1e-3


def test_the_families_are_the_documented_ones() -> None:
    assert list(FAMILIES) == ["gaussian", "uniform"]


@given(
    family=st.sampled_from(list(FAMILIES)),
    seed=st.integers(0, 2**64),
    few=st.integers(1, 4),
    many=st.integers(1, 6),
)
def test_a_copy_is_the_same_however_many_there_are(family: str, seed: int, few: int, many: int) -> None:
    few, many = sorted((few, many))
    np.testing.assert_array_equal(draw(family, (3, 2), few, seed), draw(family, (3, 2), many, seed)[:few])


def test_copies_and_seeds_have_streams_of_their_own() -> None:
    noise = np.concatenate([draw("gaussian", (5_000,), 3, seed) for seed in (0, 1)])
    correlation = np.corrcoef(noise) - np.eye(6)
    assert np.abs(correlation).max() < 4 / np.sqrt(5_000)


def test_the_next_seed_is_not_the_next_copy() -> None:
    assert not np.isin(draw("gaussian", (50,), 3, seed=1), draw("gaussian", (50,), 3, seed=0)).any()


def test_noise_is_not_what_numpy_draws_with_the_same_seed() -> None:
    """Else a random picture and its nudge would be one and the same."""
    picture = np.random.default_rng(0).standard_normal(50)
    assert not np.isin(draw("gaussian", (50,), 2, seed=0), picture).any()


@pytest.mark.parametrize("seed", [2**32, 5 + 2**32, 1 + 2**64])
def test_large_seeds_are_not_small_ones_with_another_copy(seed: int) -> None:
    small = draw("gaussian", (50,), 4, seed % 2**32)
    assert not np.isin(draw("gaussian", (50,), 2, seed), small).any()


def test_they_have_the_shape_of_one_input() -> None:
    noise = draw("uniform", [3, 4, 5], 2, seed=0)
    assert (noise.shape, noise.dtype) == ((2, 3, 4, 5), np.float64)
    assert draw("gaussian", (), 2, seed=0).shape == (2,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("white", (3,), 1, 0), "unknown noise family 'white'; choose from gaussian, uniform"),
        (("gaussian", (3,), 0, 0), "copies must be at least 1, but is 0"),
        (("gaussian", (3,), 1, -1), "seed must be 0 or larger, but is -1"),
    ],
)
def test_what_is_out_of_range_is_named(arguments: tuple[str, tuple[int], int, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw(*arguments)


def test_pink_noise_is_of_unit_spread_and_of_low_frequencies():
    noise = draw_pink((32, 48, 3), 3, seed=5)
    assert noise.shape == (3, 32, 48, 3)
    np.testing.assert_allclose(noise.mean(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(noise.std(axis=(1, 2)), 1)
    # Fewer copies are the first of more, and each is another.
    np.testing.assert_array_equal(draw_pink((32, 48, 3), 2, seed=5), noise[:2])
    assert np.abs(noise[0] - noise[1]).max() > 1
    # Power falls as one over the square of frequency: over that of white noise, which is flat, slope -2.
    pictures = draw_pink((128, 128, 1), 40, seed=0)[..., 0]
    power = (np.abs(np.fft.fft2(pictures)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    band = (frequency > 0.02) & (frequency < 0.5)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert abs(slope + 2) < 0.05


def _roughness(noise: np.ndarray, axis: int) -> float:
    """Mean square of steps from neighbour to neighbour: 2 for independent ones of unit spread."""
    return float((np.diff(noise, axis=axis) ** 2).mean())


@pytest.mark.parametrize(
    ("shape", "smooth"),
    [
        ((3, 32, 48), (2, 3)),
        ((32, 48), (1, 2)),
        ((400,), (1,)),
        ((2, 3, 24, 24), (3, 4)),
        ((1, 400), (2,)),
    ],
)
def test_smooth_noise_is_smooth_along_its_last_axes(shape: tuple[int, ...], smooth: tuple[int, ...]) -> None:
    noise = draw_smooth(shape, 3, seed=0)
    assert noise.shape == (3, *shape)
    np.testing.assert_allclose(noise.mean(axis=smooth), 0, atol=1e-12)
    np.testing.assert_allclose(noise.std(axis=smooth), 1)
    for axis in range(len(shape) + 1):
        if axis in smooth:
            assert _roughness(noise, axis) < 0.8
        elif noise.shape[axis] > 1:
            assert _roughness(noise, axis) > 1.2
    np.testing.assert_array_equal(draw_smooth(shape, 2, seed=0), noise[:2])


def test_smooth_noise_knows_where_channels_are() -> None:
    last = draw_smooth((32, 48, 3), 2, seed=4, channels_last=True)
    np.testing.assert_array_equal(last, draw_pink((32, 48, 3), 2, seed=4))
    np.testing.assert_array_equal(np.moveaxis(last, -1, 1), draw_smooth((3, 32, 48), 2, seed=4))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (5, 1, 1), ()])
def test_a_single_place_has_white_noise(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(draw_smooth(shape, 2, seed=1), draw("gaussian", shape, 2, seed=1))
