"""Corruptions of pictures, to see how a model takes inputs that are known to be altered, and unlike any picture.

Pictures are float arrays in [0, 1], `[H, W, C]` or `[N, H, W, C]`; results are float32 of the same shape, in [0, 1].
What is random comes from the generator alone, so the same one in the same state gives the same result; every picture
of a batch is altered by draws of its own. Formulas are written for pixels in [0, 1], where 1 is white.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.float32]
Corruption = Callable[[NDArray[np.floating], Generator], Picture]
Control = Callable[[Sequence[int], Generator], Picture]

NOISE_SIGMA = 0.1
BLUR_SIGMA = 0.0375
"""As a fraction of the picture's side."""
CONTRAST = 0.3
STROKES = 3
STROKE_WIDTH = 0.06
"""As a fraction of the picture's side."""
GRID = 4
_BLUR_REACH = 4.0
_TURN = 1.5


def gaussian_noise(images: NDArray[np.floating], generator: Generator) -> Picture:
    """Add white noise: `clip(x + 0.1 n, 0, 1)` with `n ~ N(0, 1)` for each pixel and channel.

    The form of "Gaussian noise" in Hendrycks and Dietterich (2019, arXiv 1903.12261), near its middle severities.

    Args:
        images: Float `[H, W, C]` or `[N, H, W, C]` in [0, 1].
        generator: Source of the noise.

    Returns:
        float32 of the same shape, in [0, 1].
    """
    pictures = _checked(images)
    noise = generator.standard_normal(pictures.shape, dtype=np.float32)
    return _clipped(pictures + np.float32(NOISE_SIGMA) * noise)


def gaussian_blur(images: NDArray[np.floating], generator: Generator) -> Picture:  # noqa: ARG001
    """Blur with a Gaussian whose standard deviation is 3.75% of the shorter side.

    The kernel `exp(-k² / 2σ²)`, k in pixels, is cut at 4σ and normalised to sum 1; rows and columns are filtered one
    after the other. Edges are mirrored, the edge pixel included (`d c b a | a b c d`), which keeps a constant picture
    constant.

    Args:
        images: Float `[H, W, C]` or `[N, H, W, C]` in [0, 1].
        generator: Unused: a blur has nothing random.

    Returns:
        float32 of the same shape, in [0, 1].
    """
    pictures = _checked(images)
    sigma = BLUR_SIGMA * min(pictures.shape[-3:-1])
    blurred = _filtered(_filtered(pictures.astype(np.float64), sigma, -3), sigma, -2)
    return _clipped(blurred)


def low_contrast(images: NDArray[np.floating], generator: Generator) -> Picture:  # noqa: ARG001
    """Shrink the contrast to 0.3: `m + 0.3 (x - m)` with `m` the picture's mean over pixels and channels.

    The form of "contrast" in Hendrycks and Dietterich (2019, arXiv 1903.12261), with one mean for all channels.

    Args:
        images: Float `[H, W, C]` or `[N, H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.

    Returns:
        float32 of the same shape, in [0, 1].
    """
    pictures = _checked(images)
    mean = pictures.mean(axis=(-3, -2, -1), keepdims=True, dtype=np.float64)
    return _clipped(mean + CONTRAST * (pictures - mean))


def scribble(images: NDArray[np.floating], generator: Generator) -> Picture:
    """Draw three thick strokes, each of one random colour, over the picture.

    A stroke is a line through four points: a random start at least 20% off the edges, then three steps of 15–40% of
    the shorter side, each turned by at most 1.5 radians from the last and kept inside the picture. It is 6% of that
    side wide, at least one pixel.

    Args:
        images: Float `[H, W, C]` or `[N, H, W, C]` in [0, 1].
        generator: Source of courses and colours.

    Returns:
        float32 of the same shape, in [0, 1]; pixels off the strokes are unchanged.
    """
    pictures = _checked(images)
    scribbled = np.array(pictures)
    for picture in scribbled.reshape(-1, *pictures.shape[-3:]):
        for _ in range(STROKES):
            covered = _stroke(picture.shape[0], picture.shape[1], generator)
            picture[covered] = generator.random(picture.shape[2], dtype=np.float32)
    return scribbled


def shuffle_patches(images: NDArray[np.floating], generator: Generator) -> Picture:
    """Cut the picture into 4 × 4 patches and put them back in random order.

    What remains is every local texture; what goes is the arrangement. Where a side is no multiple of 4, its last
    one to three rows or columns stay where they are.

    Args:
        images: Float `[H, W, C]` or `[N, H, W, C]` in [0, 1].
        generator: Source of the order.

    Returns:
        float32 of the same shape, in [0, 1], with the same pixels.

    Raises:
        ValueError: If a side is shorter than 4 pixels.
    """
    pictures = _checked(images)
    height, width = (side // GRID for side in pictures.shape[-3:-1])
    if min(height, width) == 0:
        raise ValueError(f"Expected sides of at least {GRID} pixels, but got {pictures.shape[-3:-1]}")
    shuffled = np.array(pictures)
    for source, target in zip(
        pictures.reshape(-1, *pictures.shape[-3:]), shuffled.reshape(-1, *pictures.shape[-3:]), strict=True
    ):
        for place, origin in enumerate(generator.permutation(GRID * GRID).tolist()):
            target[_patch(place, height, width)] = source[_patch(origin, height, width)]
    return shuffled


def uniform_noise(shape: Sequence[int], generator: Generator) -> Picture:
    """Draw every pixel and channel from the uniform distribution on [0, 1).

    Args:
        shape: `[H, W, C]` or `[N, H, W, C]`.
        generator: Source of the noise.

    Returns:
        float32 of that shape.
    """
    return generator.random(_checked_shape(shape), dtype=np.float32)


def pink_noise(shape: Sequence[int], generator: Generator) -> Picture:
    """Draw 1/f noise: amplitudes fall as one over spatial frequency, as they do in photographs.

    White noise is filtered by `1 / |f|`, f in cycles per pixel, without its mean (power falls as `1 / |f|²`; Field
    1987, doi 10.1364/JOSAA.4.002379), then each channel of each picture is stretched to fill [0, 1].

    Args:
        shape: `[H, W, C]` or `[N, H, W, C]`, of at least two pixels.
        generator: Source of the noise.

    Returns:
        float32 of that shape; every channel's smallest value is 0 and its largest 1.

    Raises:
        ValueError: If there is a single pixel, which has no spectrum.
    """
    shape = _checked_shape(shape)
    height, width = shape[-3:-1]
    if height * width < 2:
        raise ValueError(f"Expected at least two pixels, but got {height} x {width}")
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(generator.standard_normal(shape), axes=(-3, -2)) / frequency[..., None]
    noise = np.fft.irfft2(spectrum, s=(height, width), axes=(-3, -2))
    low = noise.min(axis=(-3, -2), keepdims=True)
    high = noise.max(axis=(-3, -2), keepdims=True)
    return _clipped((noise - low) / (high - low))


def constant(shape: Sequence[int], generator: Generator) -> Picture:
    """Fill each picture with one random colour, uniform on [0, 1) in every channel.

    Args:
        shape: `[H, W, C]` or `[N, H, W, C]`.
        generator: Source of the colours.

    Returns:
        float32 of that shape.
    """
    shape = _checked_shape(shape)
    colours = generator.random((*shape[:-3], 1, 1, shape[-1]), dtype=np.float32)
    return np.array(np.broadcast_to(colours, shape))


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "gaussian_noise": gaussian_noise,
        "gaussian_blur": gaussian_blur,
        "low_contrast": low_contrast,
        "scribble": scribble,
        "shuffle_patches": shuffle_patches,
    }
)
"""Ways to alter a given picture."""

CONTROLS: Mapping[str, Control] = MappingProxyType(
    {"uniform_noise": uniform_noise, "pink_noise": pink_noise, "constant": constant}
)
"""Pictures of nothing, for which only a shape is needed."""


def _checked(images: NDArray[np.floating]) -> Picture:
    """Return pictures as float32, after a look at what would silently give nonsense: 8-bit values, a wrong rank."""
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(f"Expected floats in [0, 1], but got {images.dtype}")
    _checked_shape(images.shape)
    return np.asarray(images, dtype=np.float32)


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    if len(shape) not in {3, 4}:
        raise ValueError(f"Expected a shape [H, W, C] or [N, H, W, C], but got {list(shape)}")
    return tuple(shape)


def _clipped(pictures: NDArray[np.floating]) -> Picture:
    clipped: Picture = np.clip(pictures, 0, 1).astype(np.float32)
    return clipped


def _filtered(pictures: NDArray[np.float64], sigma: float, axis: int) -> NDArray[np.float64]:
    """Filter along one axis by a weighted sum of shifted views: as many passes as the kernel has taps."""
    radius = int(_BLUR_REACH * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    around = [(0, 0)] * pictures.ndim
    around[axis] = (radius, radius)
    padded = np.moveaxis(np.pad(pictures, around, mode="symmetric"), axis, 0)
    side = pictures.shape[axis]
    total = np.zeros_like(padded[:side])
    for shift, weight in enumerate(kernel.tolist()):
        total += weight * padded[shift : shift + side]
    return np.moveaxis(total, 0, axis)


def _stroke(height: int, width: int, generator: Generator) -> NDArray[np.bool_]:
    """Draw one stroke and tell which pixels, `[H, W]`, it covers."""
    side = min(height, width)
    size = np.array([width, height])
    thickness = max(1, round(STROKE_WIDTH * side))
    points = [generator.uniform(0.2, 0.8, 2) * size]
    direction = generator.uniform(0, 2 * np.pi)
    for length in (generator.uniform(0.15, 0.4, 3) * side).tolist():
        step = length * np.array([np.cos(direction), np.sin(direction)])
        points.append(np.clip(points[-1] + step, 0, size - 1))
        direction += generator.uniform(-_TURN, _TURN)
    canvas = Image.new("L", (width, height))
    course = [(float(x), float(y)) for x, y in points]
    ImageDraw.Draw(canvas).line(course, fill=255, width=thickness, joint="curve")
    covered: NDArray[np.bool_] = np.asarray(canvas) > 0
    return covered


def _patch(number: int, height: int, width: int) -> tuple[slice, slice]:
    row, column = divmod(number, GRID)
    return slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
