"""Corruptions pixel by pixel: noise of several kinds. Formulas are those of Hendrycks and Dietterich (2019)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.pictures import Picture
from onnx_ood.perturb.corruptions.registry import BySize, register_corruption


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(0.04, 0.06, 0.08, 0.09, 0.1),
        middle=(0.04, 0.08, 0.12, 0.15, 0.18),
        large=(0.08, 0.12, 0.18, 0.26, 0.38),
    ),
    strengths={"demo": (0.1,)},
)
def gaussian_noise(picture: Picture, generator: Generator, sigma: float) -> FloatArray:
    """White noise: `x + σ n` with `n ~ N(0, 1)` for each pixel and channel.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the noise.
        sigma: σ, where 1 is the step from black to white.

    Returns:
        float32 `[H, W, C]`, not yet cut off at 0 and 1.
    """
    noise = generator.standard_normal(picture.shape, dtype=np.float32)
    noisy: FloatArray = picture + np.float32(sigma) * noise
    return noisy


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(500, 250, 100, 75, 50),
        middle=(250, 100, 50, 30, 15),
        large=(60, 25, 12, 5, 3),
    ),
)
def shot_noise(picture: Picture, generator: Generator, photons: float) -> FloatArray:
    """Simulate the photon noise of a sensor in low light: `Poisson(c x) / c` per pixel and channel.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the counts.
        photons: c, how many white gives.

    Returns:
        float64 `[H, W, C]`, not yet cut off at 1.
    """
    counted: FloatArray = generator.poisson(picture.astype(np.float64) * photons) / photons
    return counted


@register_corruption(
    families={"standard"},
    severities=BySize(
        small=(0.01, 0.02, 0.03, 0.05, 0.07),
        middle=(0.01, 0.02, 0.05, 0.08, 0.14),
        large=(0.03, 0.06, 0.09, 0.17, 0.27),
    ),
)
def impulse_noise(picture: Picture, generator: Generator, share: float) -> FloatArray:
    """Salt and pepper: each value is, with the given probability, replaced by 0 or 1, which are equally likely.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of what is hit.
        share: The probability.

    Returns:
        float32 `[H, W, C]`.
    """
    drawn = generator.random(picture.shape, dtype=np.float32)
    return np.where(drawn < share, (drawn < share / 2).astype(np.float32), picture)
