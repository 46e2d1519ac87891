"""Corruptions that blur. Formulas are those of Hendrycks and Dietterich (2019), but for the Gaussian blur's size."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.filters import convolved, gaussian, motion_blurred, zoomed
from onnx_ood.perturb.corruptions.pictures import Picture
from onnx_ood.perturb.corruptions.registry import BySize, register_corruption

# A disk of at most this radius is drawn on a canvas of this radius.
_DISK = 8


@register_corruption(strengths={"demo": (0.0375,)})
def gaussian_blur(picture: Picture, generator: Generator, share: float) -> FloatArray:  # noqa: ARG001
    """Blurs with a Gaussian, cut at 4σ. Edges are mirrored, which keeps a constant picture constant.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: σ as a share of the shorter side.

    Returns:
        float64 `[H, W, C]`.
    """
    return gaussian(picture, share * min(picture.shape[:2]), "symmetric")


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        middle=((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        large=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
)
def defocus_blur(picture: Picture, generator: Generator, radius: float, smoothing: float) -> FloatArray:  # noqa: ARG001
    """Averages over a disk, as a lens does that is out of focus.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        radius: Of the disk, in pixels; below 1, the disk is one pixel.
        smoothing: σ of the Gaussian, in pixels, that takes the stairs off the disk's edge; it is cut at 1 pixel, for
            disks of a radius above 8 at 2.

    Returns:
        float64 `[H, W, C]`.
    """
    reach = 1 if radius <= _DISK else 2
    # With room for the smoothed edge, of which nothing is cut off: that would change how bright the picture is.
    along = np.arange(-int(radius) - reach, int(radius) + reach + 1)
    disk = (along**2 + along[:, np.newaxis] ** 2 <= radius**2).astype(np.float64)
    tap = np.exp(-0.5 * (np.arange(-reach, reach + 1) / smoothing) ** 2)
    smoothed = np.apply_along_axis(np.convolve, 0, disk, tap, "same")
    smoothed = np.apply_along_axis(np.convolve, 1, smoothed, tap, "same")
    return convolved(picture, smoothed / smoothed.sum())


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        middle=((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        large=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
)
def glass_blur(picture: Picture, generator: Generator, sigma: float, reach: int, rounds: int) -> FloatArray:
    """As through frosted glass: blurs, moves pixels about, and blurs again.

    From the lower right to the upper left, each pixel becomes that of a place up to `reach` above or to the left, or
    up to `reach - 1` below or to the right. Hendrycks and Dietterich meant pixels to be swapped, but what made their
    data copies them: there, both sides of the swap are the same memory.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the places.
        sigma: σ of the blur in pixels, cut at 4σ; edge pixels go on for ever.
        reach: How far a pixel moves at most, in pixels along each axis; the outermost of that width stay.
        rounds: How often all are moved.

    Returns:
        float64 `[H, W, C]`.
    """
    blurred = gaussian(picture, sigma, "edge")
    height, width, channels = picture.shape
    moved = np.arange(height * width).reshape(height, width)
    inside = moved[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1][::-1, ::-1].ravel()
    # Each step reads what the steps before have written: a loop, and the fastest one is over a list.
    source: list[int] = moved.ravel().tolist()
    for _ in range(rounds):
        down, right = generator.integers(-reach, reach, (2, inside.size))
        origins = inside + down * width + right
        for place, origin in zip(inside.tolist(), origins.tolist(), strict=True):
            source[place] = source[origin]
    return gaussian(blurred.reshape(-1, channels)[source].reshape(picture.shape), sigma, "edge")


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        middle=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        large=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
)
def motion_blur(picture: Picture, generator: Generator, radius: int, sigma: float) -> FloatArray:
    """Smears the picture in a random direction, within 45° of the x axis.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the direction.
        radius: Half of how far, in pixels.
        sigma: σ in pixels of how weights fall off.

    Returns:
        float64 `[H, W, C]`.
    """
    return motion_blurred(picture, radius, sigma, generator.uniform(-45, 45))


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
        middle=((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
        large=((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
    ),
)
def zoom_blur(picture: Picture, generator: Generator, step: float, steps: int) -> FloatArray:  # noqa: ARG001
    """Averages the picture with itself, ever more enlarged, as if the lens zoomed during the exposure.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        step: From one enlargement to the next.
        steps: How many there are; the first is by 1, and so the picture itself, which counts twice.

    Returns:
        float64 `[H, W, C]`.
    """
    total = picture.astype(np.float64)
    for i in range(steps):
        total += zoomed(picture, 1 + i * step)
    return total / (steps + 1)
