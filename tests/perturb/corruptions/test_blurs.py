"""Blurs against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import generator, grey, picture, pictures, seeds, sides
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from onnx_ood.perturb import find_corruption
from onnx_ood.perturb.corruptions import blurs, filters


@pytest.mark.parametrize(
    ("radius", "smoothing", "reach"), [(0.3, 0.4, 1), (1.5, 0.1, 1), (3, 0.1, 1), (8, 0.5, 1), (10, 0.5, 2)]
)
def test_defocus_averages_over_a_disk(radius: float, smoothing: float, reach: int) -> None:
    point = np.zeros((61, 61, 1), np.float32)
    point[30, 30] = 1
    rows, columns = np.mgrid[-30:31, -30:31]
    disk = (np.hypot(rows, columns) <= radius).astype(np.float64)
    expected = ndimage.gaussian_filter(disk, smoothing, radius=reach, mode="constant")
    blurred = blurs.defocus_blur(point, generator(), radius, smoothing)[..., 0]
    np.testing.assert_allclose(blurred, expected / disk.sum(), atol=1e-9)
    np.testing.assert_allclose(
        blurs.defocus_blur(grey(0.3, 12), generator(), radius, smoothing), 0.3, atol=1e-6
    )


def test_motion_blur_goes_within_45_degrees_of_the_x_axis() -> None:
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    slopes = []
    for seed in range(200):
        rows, columns = np.nonzero(blurs.motion_blur(point, generator(seed), 9, 20)[..., 0])
        assert columns.max() == 20
        slopes.append((rows[columns.argmin()] - 20) / (20 - columns.min()))
    assert -1.05 <= min(slopes) < -0.8
    assert 0.8 < max(slopes) <= 1.05


def test_zoom_blur_counts_the_picture_twice() -> None:
    image = picture(30, 20)
    expected = (2 * image.astype(np.float64) + filters.zoomed(image, 1.1)) / 3
    np.testing.assert_allclose(blurs.zoom_blur(image, generator(), 0.1, 2), expected, atol=1e-6)


@given(sides, sides, st.integers(1, 4), st.integers(1, 3), seeds)
def test_glass_moves_pixels_no_farther_than_it_may(
    height: int, width: int, reach: int, rounds: int, seed: int
) -> None:
    rows, columns = np.mgrid[:height, :width]
    # So little blur that it does nothing: what is left is where pixels come from. A pixel that is copied once more
    # within a round goes on from where it has come to, so only neighbours' differences are bounded, and the rim.
    places = np.stack([rows, columns], axis=-1).astype(np.float32)
    moved = blurs.glass_blur(places, generator(seed), 0.05, reach, 1)
    np.testing.assert_array_equal(moved[: reach + 1], places[: reach + 1])
    np.testing.assert_array_equal(moved[:, : reach + 1], places[:, : reach + 1])
    np.testing.assert_array_equal(moved[height - reach + 1 :], places[height - reach + 1 :])
    again = blurs.glass_blur(places, generator(seed), 0.05, reach, rounds)
    assert {tuple(place) for place in again.reshape(-1, 2)} <= {
        tuple(place) for place in places.reshape(-1, 2)
    }


def test_glass_copies_in_order_from_offsets_of_the_generator() -> None:
    """The loop as it is published, on arrays."""
    image, reach = picture(17, 12, 1).astype(np.float64), 2
    source = generator(4)
    expected = image.copy()
    for _ in range(2):
        down, right = source.integers(-reach, reach, (2, (17 - 2 * reach) * (12 - 2 * reach)))
        step = 0
        for h in range(17 - reach, reach, -1):
            for w in range(12 - reach, reach, -1):
                expected[h, w] = expected[h + down[step], w + right[step]]
                step += 1
    np.testing.assert_allclose(
        blurs.glass_blur(image.astype(np.float32), generator(4), 0.05, reach, 2), expected, atol=1e-6
    )


gaussian_blur = find_corruption("gaussian_blur").at("demo")


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(64, 64, 3), (40, 90, 1), (224, 200, 3), (16, 5, 3), (4, 200, 1)]
)
def test_blur_is_scipys_gaussian_filter(height: int, width: int, channels: int) -> None:
    image = pictures(height, width, channels)
    sigma = 0.0375 * min(height, width)
    expected = ndimage.gaussian_filter(
        image.astype(np.float64), (sigma, sigma, 0), mode="reflect", truncate=4
    )
    np.testing.assert_allclose(gaussian_blur(image, generator()), expected, atol=1e-6)


def test_blur_leaves_a_constant_alone() -> None:
    grey = np.full((50, 30, 3), 0.3, np.float32)
    np.testing.assert_allclose(gaussian_blur(grey, generator()), grey, atol=1e-7)
