"""Corruptions by cameras and files against colorsys, Pillow and closed forms."""

from __future__ import annotations

import colorsys
from io import BytesIO

import numpy as np
import pytest
from drawn_pictures import generator, picture, pictures, seeds, shapes
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from onnx_ood.perturb import find_corruption
from onnx_ood.perturb.corruptions import digital


@given(st.tuples(*[st.floats(0, 1, width=32)] * 3), st.floats(0.05, 0.5))
def test_brightness_is_the_value_of_hsv(colour: tuple[float, float, float], more: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1))
    brighter = digital.brightness(np.array(colour, np.float32).reshape(1, 1, 3), generator(), more)
    np.testing.assert_allclose(brighter[0, 0], expected, atol=1e-6)


def test_brightness_of_one_channel_is_a_sum() -> None:
    image = picture(9, 9, 1)
    expected = np.minimum(image.astype(np.float64) + 0.3, 1)
    np.testing.assert_allclose(digital.brightness(image, generator(), 0.3), expected, atol=1e-6)


def test_contrast_keeps_each_channels_mean() -> None:
    image = picture(16, 20)
    paler = digital.contrast(image, generator(), 0.2)
    np.testing.assert_allclose(paler.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(paler.std(axis=(0, 1)), 0.2 * image.std(axis=(0, 1)), atol=1e-6)


def test_elastic_displacements_have_the_stated_spread() -> None:
    """On a slope, a displacement is the change; through a Gaussian, white noise keeps 1 / (2 √π σ) of its spread."""
    slope = np.repeat(np.arange(200, dtype=np.float32)[:, np.newaxis], 200, axis=1)[..., np.newaxis]
    moved = (digital.elastic_transform(slope, generator(), 0.01, 0.1) - slope)[20:-20, 20:-20]
    expected = 0.1 * 200 / np.sqrt(3) / (2 * np.sqrt(np.pi) * 2)
    assert moved.std() == pytest.approx(expected, rel=0.05)
    assert moved.mean() == pytest.approx(0, abs=0.1)


def test_pixelating_takes_the_mean_of_boxes() -> None:
    image = picture(12, 20)
    boxes = image.reshape(3, 4, 5, 4, 3).mean(axis=(1, 3))
    expected = boxes.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_allclose(digital.pixelate(image, generator(), 0.25), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels: int) -> None:
    image = np.round(ndimage.gaussian_filter(picture(30, 44, channels), (2, 2, 0)) * 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=20)
    expected = np.asarray(Image.open(file)).reshape(image.shape)
    compressed = digital.jpeg_compression((image / 255).astype(np.float32), generator(), 20)
    np.testing.assert_array_equal(np.round(compressed * 255), expected)
    assert (expected != image).any()


contrast = find_corruption("contrast").at("demo")


@given(shapes.filter(lambda shape: shape[0] > 0), seeds)
def test_contrast_keeps_the_mean_and_shrinks_the_spread_to_three_tenths(
    shape: tuple[int, ...], seed: int
) -> None:
    image = pictures(*shape, seed=seed)
    altered = contrast(image, generator())
    axes = (-3, -2, -1)
    np.testing.assert_allclose(altered.mean(axes), image.mean(axes), atol=1e-6)
    np.testing.assert_allclose(altered.std(axes), 0.3 * image.std(axes), atol=1e-6)


def test_contrast_by_hand() -> None:
    image = np.array([[[0.0], [1.0]], [[0.5], [0.5]]], np.float32)
    expected = np.array([[[0.35], [0.65]], [[0.5], [0.5]]])
    np.testing.assert_allclose(contrast(image, generator()), expected, atol=1e-7)
