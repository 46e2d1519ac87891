"""Synthetic out-of-distribution pictures, made from a shape alone.

Results are float32 in [0, 1], `[H, W, C]` or `[N, H, W, C]`. Equal states of the generator give equal pictures; each
picture of a batch has draws of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from onnx_ood.perturb.corruptions.pictures import Picture, checked_shape
from onnx_ood.perturb.corruptions.registry import register_synthetic_ood


@register_synthetic_ood
def uniform_noise(shape: Sequence[int], generator: Generator) -> Picture:
    """Draw every pixel and channel from the uniform distribution on [0, 1).

    Args:
        shape: `[H, W, C]` or `[N, H, W, C]`.
        generator: Source of the noise.

    Returns:
        float32 of that shape.
    """
    return generator.random(checked_shape(shape), dtype=np.float32)


@register_synthetic_ood
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
    shape = checked_shape(shape)
    height, width = shape[-3:-1]
    if height * width < 2:
        raise ValueError(f"Expected at least two pixels, but got {height} x {width}")
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(generator.standard_normal(shape), axes=(-3, -2)) / frequency[..., None]
    noise = np.fft.irfft2(spectrum, s=(height, width), axes=(-3, -2))
    low = noise.min(axis=(-3, -2), keepdims=True)
    high = noise.max(axis=(-3, -2), keepdims=True)
    stretched: Picture = ((noise - low) / (high - low)).astype(np.float32)
    return stretched


@register_synthetic_ood
def constant(shape: Sequence[int], generator: Generator) -> Picture:
    """Fill each picture with one random colour, uniform on [0, 1) in every channel.

    Args:
        shape: `[H, W, C]` or `[N, H, W, C]`.
        generator: Source of the colours.

    Returns:
        float32 of that shape.
    """
    shape = checked_shape(shape)
    colours = generator.random((*shape[:-3], 1, 1, shape[-1]), dtype=np.float32)
    return np.array(np.broadcast_to(colours, shape))
