"""Pseudo-OOD corruptions against colorsys and closed forms."""

from __future__ import annotations

import colorsys

import numpy as np
from drawn_pictures import generator, grey, picture, seeds, sides
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onnx_ood.perturb.corruptions import pseudo_ood


def test_speckles_grow_with_brightness() -> None:
    for level in (0.2, 0.8):
        noise = (pseudo_ood.speckle_noise(grey(level), generator(), 0.3) - level) / (0.3 * level)
        assert stats.kstest(noise.ravel()[:5000], "norm").pvalue > 1e-3


@given(st.tuples(*[st.floats(0, 1, width=32)] * 3), st.floats(1, 10))
def test_saturating_is_the_saturation_of_hsv(colour: tuple[float, float, float], factor: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb(hue, min(saturation * factor, 1), value)
    vivid = pseudo_ood.saturate(np.array(colour, np.float32).reshape(1, 1, 3), generator(), factor)
    np.testing.assert_allclose(vivid[0, 0], expected, atol=1e-5)


def test_posterizing_leaves_so_many_levels() -> None:
    ramp = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 30, 1)
    for levels in (2, 3, 8):
        values, counts = np.unique(pseudo_ood.posterize(ramp, generator(), levels), return_counts=True)
        np.testing.assert_allclose(values, np.arange(levels) / (levels - 1), atol=1e-6)
        assert np.ptp(counts) <= 1


def test_inverting_solarizing_and_darkening_by_hand() -> None:
    image = np.array([[[0.0], [0.2]], [[0.5], [0.8]]], np.float32)
    inverted = [1.0, 0.8, 0.5, 0.2]
    np.testing.assert_allclose(pseudo_ood.invert(image, generator()).ravel(), inverted, atol=1e-7)
    np.testing.assert_allclose(
        pseudo_ood.solarize(image, generator(), 0.5).ravel(), [0, 0.2, 0.5, 0.2], atol=1e-7
    )
    np.testing.assert_allclose(
        pseudo_ood.darker(image, generator(), 0.5).ravel(), [0, 0.1, 0.25, 0.4], atol=1e-7
    )


def test_channels_are_swapped_in_all_five_ways() -> None:
    image = np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 1, 3)
    drawn = {tuple(pseudo_ood.channel_swap(image, generator(seed)).ravel().tolist()) for seed in range(60)}
    assert len(drawn) == 5
    assert all(sorted(order) == image.ravel().tolist() for order in drawn)
    assert tuple(image.ravel().tolist()) not in drawn


@given(sides, sides, seeds)
def test_a_mosaic_turns_every_quarter_in_its_place(height: int, width: int, seed: int) -> None:
    image = picture(height, width)
    turned = pseudo_ood.mosaic(image, generator(seed))
    h, w = height // 2, width // 2
    for row in (0, h):
        for column in (0, w):
            before, after = (part[row : row + h, column : column + w] for part in (image, turned))
            turns = [k for k in range(4) if np.array_equal(np.rot90(before, k), after)]
            assert len(turns) == 1
            assert turns[0] in ({1, 2, 3} if h == w else {2})
    np.testing.assert_array_equal(turned[2 * h :], image[2 * h :])
    np.testing.assert_array_equal(turned[:, 2 * w :], image[:, 2 * w :])


@given(sides, sides, seeds)
def test_halves_are_swapped_along_one_axis(height: int, width: int, seed: int) -> None:
    image = picture(height, width)
    swapped = pseudo_ood.halves_swapped(image, generator(seed))
    expected = []
    for axis in (0, 1):
        side = image.shape[axis]
        first, middle, last = np.split(image, [side // 2, side - side // 2], axis)
        expected.append(np.concatenate([last, first, middle], axis))
    assert any(np.array_equal(swapped, one) for one in expected)


def test_upside_down_is_two_right_angles() -> None:
    image = picture(9, 14)
    np.testing.assert_array_equal(pseudo_ood.upside_down(image, generator()), np.rot90(image, 2))


@given(st.integers(14, 40), st.integers(14, 40), st.integers(2, 7), seeds)
def test_grids_have_so_many_lines_in_each_direction(height: int, width: int, lines: int, seed: int) -> None:
    image = np.full((height, width, 3), 2, np.float32)  # No colour that is drawn.
    drawn = (pseudo_ood.grid_lines(image, generator(seed), lines) != 2).all(axis=-1)
    across, down = drawn.all(axis=1), drawn.all(axis=0)
    assert (across.sum(), down.sum()) == (lines, lines)
    np.testing.assert_array_equal(drawn, across[:, np.newaxis] | down)
