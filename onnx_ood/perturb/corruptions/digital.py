"""Corruptions by cameras and files: exposure, bending, coarse pixels, compression.

Formulas are those of Hendrycks and Dietterich (2019), where nothing else is said.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.filters import displaced, gaussian
from onnx_ood.perturb.corruptions.pictures import Picture, over_channels
from onnx_ood.perturb.corruptions.registry import BySize, register_corruption


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(0.05, 0.1, 0.15, 0.2, 0.3),
        middle=(0.1, 0.2, 0.3, 0.4, 0.5),
        large=(0.1, 0.2, 0.3, 0.4, 0.5),
    ),
)
def brightness(picture: Picture, generator: Generator, more: float) -> FloatArray:  # noqa: ARG001
    """Shift the value of the HSV colour, with hue and saturation unchanged: `x v' / v`, `v' = min(v + c, 1)`.

    v is the largest of a pixel's channels. Black becomes grey.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        more: c.

    Returns:
        float64 `[H, W, C]`.
    """
    value = over_channels(picture, np.maximum).astype(np.float64)
    brighter = np.minimum(value + more, 1)
    black = value == 0
    shown: FloatArray = np.where(black, brighter, picture * (brighter / np.where(black, 1, value)))
    return shown


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(0.75, 0.5, 0.4, 0.3, 0.15),
        middle=(0.4, 0.3, 0.2, 0.1, 0.05),
        large=(0.4, 0.3, 0.2, 0.1, 0.05),
    ),
    strengths={"demo": (0.3, True)},  # one mean for all channels
)
def contrast(
    picture: Picture,
    generator: Generator,  # noqa: ARG001
    share: float,
    one_mean: bool = False,
) -> FloatArray:
    """Shrinks the contrast: `m + c (x - m)`, with m the mean of each channel.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: c, what is left of it.
        one_mean: Whether m is the mean of all channels, which leaves less of the colours.

    Returns:
        float64 `[H, W, C]`.
    """
    mean = picture.mean(axis=(0, 1, 2) if one_mean else (0, 1), keepdims=True, dtype=np.float64)
    paler: FloatArray = mean + share * (picture - mean)
    return paler


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=((0.04, 0.06), (0.04, 0.09), (0.04, 0.12), (0.04, 0.15), (0.04, 0.2)),
        middle=((0.02, 0.0625), (0.02, 0.08125), (0.02, 0.10625), (0.02, 0.125), (0.02, 0.15)),
        large=((0.01, 0.0625), (0.01, 0.08125), (0.01, 0.10625), (0.01, 0.125), (0.01, 0.15)),
    ),
)
def elastic_transform(picture: Picture, generator: Generator, width: float, strength: float) -> FloatArray:
    """Bends the picture: every pixel comes from a place that is moved by smooth noise.

    The form is that of the library imagecorruptions: noise `U(-1, 1)` for each pixel and direction, smoothed by a
    Gaussian cut at 3σ, times a factor. Hendrycks and Dietterich also move three points by a random affine map, mostly
    at low severities, so that theirs don't grow with severity.

    Args:
        picture: float32 `[H, W, C]` in [0, 1]; edges are mirrored.
        generator: Source of the noise.
        width: σ as a share of the shorter side.
        strength: The factor, as a share of the shorter side.

    Returns:
        float64 `[H, W, C]`.
    """
    side = min(picture.shape[:2])
    noise = np.moveaxis(generator.uniform(-1, 1, (2, *picture.shape[:2])), 0, -1)
    moved = strength * side * gaussian(noise, width * side, "symmetric", reach=3)
    return displaced(picture, down=moved[..., 1], right=moved[..., 0])


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(0.95, 0.9, 0.85, 0.75, 0.65),
        middle=(0.9, 0.8, 0.7, 0.6, 0.5),
        large=(0.6, 0.5, 0.4, 0.3, 0.25),
    ),
)
def pixelate(picture: Picture, generator: Generator, share: float) -> FloatArray:  # noqa: ARG001
    """Shrinks the picture, by the mean over boxes, and enlarges it by repeating pixels.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: Of each side; rounded down to whole pixels.

    Returns:
        float32 `[H, W, C]`.
    """
    height, width = picture.shape[:2]
    coarse = int(width * share), int(height * share)
    channels = [
        Image.fromarray(channel)
        .resize(coarse, Image.Resampling.BOX)
        .resize((width, height), Image.Resampling.NEAREST)
        for channel in np.ascontiguousarray(np.moveaxis(picture, -1, 0))
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(80, 65, 58, 50, 40),
        middle=(65, 58, 50, 40, 25),
        large=(25, 18, 15, 10, 7),
    ),
)
def jpeg_compression(picture: Picture, generator: Generator, quality: int) -> FloatArray:  # noqa: ARG001
    """Compress to JPEG and decompress; the result has 256 levels, whatever the picture had.

    Args:
        picture: float32 `[H, W, C]` in [0, 1], C 1 or 3.
        generator: Unused: nothing here is random.
        quality: 1 to 95, as in Pillow.

    Returns:
        float64 `[H, W, C]`.
    """
    file = BytesIO()
    bytes_of = np.round(picture * 255).astype(np.uint8)
    Image.fromarray(bytes_of[..., 0] if picture.shape[-1] == 1 else bytes_of).save(
        file, "JPEG", quality=quality
    )
    with Image.open(file) as read:
        return np.asarray(read, np.float64).reshape(picture.shape) / 255
