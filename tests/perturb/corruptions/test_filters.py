"""Filters of single pictures against scipy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import generator, picture
from scipy import ndimage

from onnx_ood.perturb.corruptions import filters


@pytest.mark.parametrize(("edges", "mode"), [("edge", "nearest"), ("symmetric", "reflect")])
@pytest.mark.parametrize(("sigma", "reach"), [(0.05, 4), (0.7, 4), (1.5, 4), (3.2, 3)])
def test_gaussian_filter_is_scipys(edges: filters.Edges, mode: str, sigma: float, reach: float) -> None:
    image = picture(23, 9)
    expected = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode=mode, truncate=reach)
    np.testing.assert_allclose(filters.gaussian(image, sigma, edges, reach), expected, atol=1e-9)


@pytest.mark.parametrize("radius", [0, 1, 4, 12])
def test_convolution_is_scipys(radius: int) -> None:
    image, kernel = picture(14, 30), generator(2).random((2 * radius + 1, 2 * radius + 1))
    expected = ndimage.convolve(image.astype(np.float64), kernel[..., np.newaxis], mode="mirror")
    np.testing.assert_allclose(filters.convolved(image, kernel), expected, atol=1e-9)


@pytest.mark.parametrize("angle", [0, 30, -45, 90, -120])
def test_motion_smears_to_one_side(angle: float) -> None:
    image = picture(20, 26)
    kernel = np.zeros((25, 25))
    for k in range(13):
        # Rounded to the nearest, halves down: the place that is read lies in the direction of the angle.
        down, right = (int(np.ceil(k * f(np.deg2rad(angle)) - 0.5)) for f in (np.sin, np.cos))
        kernel[12 + down, 12 + right] += np.exp(-0.5 * (k / 4) ** 2)
    kernel /= kernel.sum()
    expected = ndimage.correlate(image.astype(np.float64), kernel[..., np.newaxis], mode="nearest")
    np.testing.assert_allclose(filters.motion_blurred(image, 6, 4, angle), expected, atol=1e-9)


@pytest.mark.parametrize("factor", [1.0, 1.05, 1.31, 2.25, 4.5])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (31, 50), (8, 9), (224, 200)])
def test_zoom_is_scipys(height: int, width: int, factor: float) -> None:
    image = picture(height, width, 1).astype(np.float64)
    cropped = image
    for axis, side in enumerate((height, width)):
        kept = int(np.ceil(side / factor))
        cropped = np.take(cropped, np.arange(kept) + (side - kept) // 2, axis)
    expected = ndimage.zoom(cropped, (factor, factor, 1), order=1)[:height, :width]
    np.testing.assert_allclose(filters.zoomed(image, factor), expected, atol=1e-9)


def test_displacing_is_scipys_interpolation() -> None:
    image = picture(15, 22, 1)
    down, right = generator(3).uniform(-40, 40, (2, 15, 22))
    rows, columns = np.mgrid[:15, :22]
    expected = ndimage.map_coordinates(
        image[..., 0].astype(np.float64), [rows + down, columns + right], order=1, mode="reflect"
    )
    np.testing.assert_allclose(filters.displaced(image, down, right)[..., 0], expected, atol=1e-6)
