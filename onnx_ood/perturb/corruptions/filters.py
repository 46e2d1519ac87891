"""Filters of single pictures `[H, W, C]` that corruptions are made of."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float, FloatArray

Edges = Literal["edge", "symmetric"]


def gaussian(picture: FloatArray, sigma: float, edges: Edges, reach: float = 4.0) -> Float:
    """Convolves with `exp(-k² / 2σ²)`, rows and columns one after the other.

    Args:
        picture: `[H, W, C]`.
        sigma: σ in pixels; so small that no neighbour is within reach, it changes nothing.
        edges: What is beyond the edge: its last pixel again (`a a | a b c`), or the mirrored picture (`b a | a b c`).
        reach: Where the kernel is cut, in σ; what is left is normalised to sum 1.

    Returns:
        float64 `[H, W, C]`.
    """
    radius = int(reach * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = picture.astype(np.float64)
    for axis in (0, 1):
        around = [(0, 0)] * 3
        around[axis] = (radius, radius)
        padded = np.moveaxis(np.pad(blurred, around, mode=edges), axis, 0)
        side = picture.shape[axis]
        # A weighted sum of shifted views: as many passes as the kernel has taps.
        total = np.zeros_like(padded[:side])
        for shift, weight in enumerate(kernel.tolist()):
            total += weight * padded[shift : shift + side]
        blurred = np.moveaxis(total, 0, axis)
    return blurred


def convolved(picture: FloatArray, kernel: Float) -> Float:
    """Convolves with a small kernel; beyond the edge the picture is mirrored without its last pixel (`c b | a b c`).

    Args:
        picture: `[H, W, C]`.
        kernel: `[2r + 1, 2r + 1]`.

    Returns:
        float64 `[H, W, C]`.
    """
    radius = len(kernel) // 2
    padded = np.pad(picture, [(radius, radius), (radius, radius), (0, 0)], mode="reflect").astype(np.float64)
    size = padded.shape[0], padded.shape[1]
    # By Fourier: kernels here have up to 441 taps. The circle closes within the padding, which is cut off.
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(kernel, s=size)[..., np.newaxis]
    full: Float = np.fft.irfft2(spectrum, s=size, axes=(0, 1))
    return full[2 * radius :, 2 * radius :]


def motion_blurred(picture: FloatArray, radius: int, sigma: float, angle: float) -> Float:
    """Smears a picture to one side: Σ wₖ x(p + k·u) / Σ wₖ with wₖ = exp(-k² / 2σ²), k = 0 … 2·radius.

    Args:
        picture: `[H, W, C]`; its edge pixels go on for ever.
        radius: Half of how far it is smeared, in pixels.
        sigma: σ in pixels.
        angle: Direction of u in degrees, from the x axis to the y axis; k·u is rounded to whole pixels.

    Returns:
        float64 `[H, W, C]`.
    """
    along = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (along / sigma) ** 2)
    weights /= weights.sum()
    down, right = (
        np.ceil(along * wave(np.deg2rad(angle)) - 0.5).astype(np.int64).tolist() for wave in (np.sin, np.cos)
    )
    height, width = picture.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    total = np.zeros(picture.shape)
    for weight, dy, dx in zip(weights.tolist(), down, right, strict=True):
        y, x = np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)
        total += weight * picture[y[:, np.newaxis], x]
    return total


def zoomed(picture: FloatArray, factor: float) -> Float:
    """Enlarges the middle of a picture, by linear interpolation, to the size of the whole.

    The middle has ⌈side / factor⌉ pixels; its first and last pixel fall on the first and last of round(factor times
    that), of which as many are kept as the side has.

    Args:
        picture: `[H, W, C]`.
        factor: 1 or more.

    Returns:
        float64 `[H, W, C]`.
    """
    enlarged = picture.astype(np.float64)
    for axis in (0, 1):
        side = picture.shape[axis]
        kept = int(np.ceil(side / factor))
        start = (side - kept) // 2
        size = max(round(kept * factor), side)
        at = np.arange(side) * ((kept - 1) / (size - 1))
        low = np.minimum(at.astype(np.int64), kept - 1)
        share = np.expand_dims(at - low, (1, 2)) if axis == 0 else np.expand_dims(at - low, 1)
        first, second = (
            np.take(enlarged, start + np.minimum(index, kept - 1), axis) for index in (low, low + 1)
        )
        enlarged = (1 - share) * first + share * second
    return enlarged


def displaced(picture: FloatArray, down: Float, right: Float) -> Float:
    """Move every pixel by its own offset, with linear interpolation.

    Args:
        picture: `[H, W, C]`; beyond its edge it is mirrored (`b a | a b c`).
        down: `[H, W]`, how many pixels below its own place the new one comes from.
        right: `[H, W]`, how many to the right of it.

    Returns:
        float64 `[H, W, C]`.
    """
    height, width = picture.shape[:2]
    y, x = np.arange(height)[:, np.newaxis] + down, np.arange(width) + right
    top, left = np.floor(y), np.floor(x)
    below, beside = (y - top)[..., np.newaxis], (x - left)[..., np.newaxis]
    rows = [_mirrored(top + i, height) for i in (0, 1)]
    columns = [_mirrored(left + i, width) for i in (0, 1)]
    upper, lower = (
        (1 - beside) * picture[row, columns[0]] + beside * picture[row, columns[1]] for row in rows
    )
    moved: Float = (1 - below) * upper + below * lower
    return moved


def _mirrored(index: Float, side: int) -> NDArray[np.int64]:
    """Fold indices beyond the edges back into the picture, as if mirrored."""
    folded = index.astype(np.int64) % (2 * side)
    return np.minimum(folded, 2 * side - 1 - folded)
