"""Mild augmentations: changes as small as taking a picture again, to which a correctly fed model hardly responds.

Mirrored copies are not among them: a mirrored letter or digit is another thing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.pictures import Picture
from onnx_ood.perturb.corruptions.pseudo_ood import darker
from onnx_ood.perturb.corruptions.registry import find_corruption, list_corruptions, register_corruption

# Of the longer side: 2 pixels of 28, 16 of 224.
_SHIFT = 1 / 14


def mild_augmentations(pictures: FloatArray, seed: int) -> Mapping[str, Picture]:
    """All mild augmentations of pictures.

    Args:
        pictures: [N, H, W, C] in [0, 1].
        seed: Seed of each augmentation.

    Returns:
        By name, float32 [N, H, W, C] in [0, 1]: shifted by a fourteenth of the longer side (at least one pixel) to the
        lower right and to the upper left, darkened to 85%, and with white noise of standard deviation 0.02.
    """
    return {
        name: find_corruption(name).at("mild")(pictures, np.random.default_rng(seed))
        for name in list_corruptions("mild")
    }


@register_corruption(name="shifted_back", strengths={"mild": (-1,)})
@register_corruption(strengths={"mild": (1,)})
def shifted(picture: Picture, generator: Generator, direction: int) -> FloatArray:  # noqa: ARG001
    """Shift by a fourteenth of the longer side, at least one pixel; edge pixels are repeated.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        direction: 1 to the lower right, -1 to the upper left.

    Returns:
        float32 `[H, W, C]`.
    """
    height, width = picture.shape[:2]
    step = max(1, round(max(height, width) * _SHIFT))
    start = 0 if direction > 0 else 2 * step
    around = np.pad(picture, ((step, step), (step, step), (0, 0)), mode="edge")
    return around[start : start + height, start : start + width]


@register_corruption(strengths={"mild": (0.85,)})
def dimmed(picture: Picture, generator: Generator, share: float) -> FloatArray:
    """Darken a little: `c x`, as `darker`.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Unused: nothing here is random.
        share: c.

    Returns:
        float32 `[H, W, C]`.
    """
    return darker(picture, generator, share)


@register_corruption(strengths={"mild": (0.02,)})
def noisy(picture: Picture, generator: Generator, sigma: float) -> FloatArray:
    """Add white noise drawn in double precision: `x + n` with `n ~ N(0, σ²)`.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the noise.
        sigma: σ, where 1 is the step from black to white.

    Returns:
        float64 `[H, W, C]`, not yet clipped.
    """
    return picture + generator.normal(0, sigma, picture.shape)
