"""Corruptions used as pseudo-OOD inputs, from which a detector can learn.

None of them is among the corruptions of a benchmark.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.pictures import Picture, over_channels
from onnx_ood.perturb.corruptions.registry import ALL_OR_NOTHING, BySize, register_corruption


@register_corruption(families={"pseudo_ood"}, severities=(1.5, 2, 3, 5, 10), needs_colour=True)
def saturate(picture: Picture, generator: Generator, factor: float) -> FloatArray:  # noqa: ARG001
    """Multiply the saturation of the HSV colour, up to 1: `v - (v - x) min(c, 1 / s)`.

    v is the largest of a pixel's channels, and `s = 1 - min / v` its saturation. Greys stay grey.

    Args:
        picture: float32 `[H, W, 3]` in [0, 1].
        generator: Unused: nothing here is random.
        factor: c, at least 1.

    Returns:
        float64 `[H, W, 3]`.
    """
    value = over_channels(picture, np.maximum).astype(np.float64)
    range_of = value - over_channels(picture, np.minimum)
    most = np.divide(value, range_of, out=np.ones_like(value), where=range_of > 0)
    vivid: FloatArray = value - (value - picture) * np.minimum(factor, most)
    return vivid


@register_corruption(families={"pseudo_ood"}, severities=ALL_OR_NOTHING)
def invert(picture: Picture, generator: Generator) -> FloatArray:  # noqa: ARG001
    """Invert all values: `1 - x`.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.

    Returns:
        float32 `[H, W, C]`.
    """
    return 1 - picture


@register_corruption(families={"pseudo_ood"}, severities=(8, 6, 4, 3, 2))
def posterize(picture: Picture, generator: Generator, levels: int) -> FloatArray:  # noqa: ARG001
    """Reduce the number of levels: `min(⌊n x⌋, n - 1) / (n - 1)`.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        levels: n, at least 2.

    Returns:
        float32 `[H, W, C]`.
    """
    return np.minimum(np.floor(picture * levels), levels - 1) / (levels - 1)


@register_corruption(families={"pseudo_ood"}, severities=(0.9, 0.8, 0.7, 0.6, 0.45))
def solarize(picture: Picture, generator: Generator, share: float) -> FloatArray:  # noqa: ARG001
    """Invert all values above a threshold: `1 - x` for `x ≥ c m`, with m the largest value.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: c.

    Returns:
        float32 `[H, W, C]`.
    """
    return np.where(picture >= np.float32(share) * picture.max(), 1 - picture, picture)


@register_corruption(families={"pseudo_ood"}, severities=ALL_OR_NOTHING, needs_colour=True)
def channel_swap(picture: Picture, generator: Generator) -> FloatArray:
    """Permute the channels, with each of the five other orders equally likely.

    Args:
        picture: float32 `[H, W, 3]` in [0, 1].
        generator: Source of the order.

    Returns:
        float32 `[H, W, 3]`: the same picture where all of it is grey.
    """
    orders = [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    return picture[..., orders[generator.integers(len(orders))]]


@register_corruption(families={"pseudo_ood"}, severities=(0.7, 0.55, 0.4, 0.28, 0.18))
def darker(picture: Picture, generator: Generator, share: float) -> FloatArray:  # noqa: ARG001
    """Darken the picture: `c x`.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: c, what is left.

    Returns:
        float32 `[H, W, C]`.
    """
    return picture * np.float32(share)


@register_corruption(
    families={"pseudo_ood"},
    severities=BySize(
        small=(0.06, 0.1, 0.12, 0.16, 0.2),
        middle=(0.15, 0.2, 0.25, 0.3, 0.35),
        large=(0.15, 0.2, 0.35, 0.45, 0.6),
    ),
)
def speckle_noise(picture: Picture, generator: Generator, sigma: float) -> FloatArray:
    """Noise that grows with brightness: `x + σ x n` with `n ~ N(0, 1)` for each pixel and channel.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the noise.
        sigma: σ, as a share of the value.

    Returns:
        float32 `[H, W, C]`, not yet cut off at 0 and 1.
    """
    noise = generator.standard_normal(picture.shape, dtype=np.float32)
    noisy: FloatArray = picture * (1 + np.float32(sigma) * noise)
    return noisy


@register_corruption(families={"pseudo_ood"}, severities=ALL_OR_NOTHING)
def mosaic(picture: Picture, generator: Generator) -> FloatArray:
    """Rotate each quarter in place by 90°, 180° or 270°; by 180° if it is not square.

    Where a side is odd, its last row or column stays as it is.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the turns.

    Returns:
        float32 `[H, W, C]`, with the same pixels.
    """
    height, width = (side // 2 for side in picture.shape[:2])
    turned = picture.copy()
    for row in (0, height):
        for column in (0, width):
            quarter = np.s_[row : row + height, column : column + width]
            turns = int(generator.integers(1, 4)) if height == width else 2
            turned[quarter] = np.rot90(picture[quarter], turns)
    return turned


@register_corruption(families={"pseudo_ood"}, severities=(0.1, 0.2, 0.3, 0.4, 0.5), needs_another=True)
def blend(picture: Picture, generator: Generator, share: float, other: Picture) -> FloatArray:  # noqa: ARG001
    """Lets another picture shine through: `(1 - c) x + c y`.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: c.
        other: y, of the same shape.

    Returns:
        float32 `[H, W, C]`.
    """
    blended: FloatArray = np.float32(1 - share) * picture + np.float32(share) * other
    return blended


@register_corruption(families={"pseudo_ood"}, severities=ALL_OR_NOTHING)
def halves_swapped(picture: Picture, generator: Generator) -> FloatArray:
    """Swap the left and right halves or the upper and lower ones, equally likely.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of which.

    Returns:
        float32 `[H, W, C]`, with the same pixels; of an odd side the middle goes to its end.
    """
    axis = int(generator.integers(2))
    return np.roll(picture, -((picture.shape[axis] + 1) // 2), axis)


@register_corruption(families={"pseudo_ood"}, severities=ALL_OR_NOTHING)
def upside_down(picture: Picture, generator: Generator) -> FloatArray:  # noqa: ARG001
    """Rotate the picture by 180°.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.

    Returns:
        float32 `[H, W, C]`.
    """
    return picture[::-1, ::-1]


@register_corruption(families={"pseudo_ood"}, severities=(2, 3, 4, 5, 7))
def grid_lines(picture: Picture, generator: Generator, lines: int) -> FloatArray:
    """Draws a grid of one random colour over the picture.

    Lines are 1.5% of the shorter side wide, at least one pixel, and evenly spread from a random start on.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of colour and start.
        lines: How many there are in each direction.

    Returns:
        float32 `[H, W, C]`; pixels off the lines are unchanged.
    """
    thickness = max(1, round(0.015 * min(picture.shape[:2])))
    drawn = picture.copy()
    colour = generator.random(picture.shape[2], dtype=np.float32)
    for axis, side in enumerate(picture.shape[:2]):
        first = generator.uniform(0, side / lines)
        starts = (first + np.arange(lines) * side / lines).astype(np.int64)
        at = np.unique((starts[:, np.newaxis] + np.arange(thickness)) % side)
        drawn[at if axis == 0 else np.s_[:, at]] = colour
    return drawn
