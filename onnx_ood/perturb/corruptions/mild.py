"""Slightly changed copies of pictures: the same thing to whoever looks, and to a model that is fed as it should be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnx_ood._types import FloatArray

_SHIFT = 1 / 14
"""Of the longer side: 2 pixels of 28, 16 of 224."""
_DARKER = 0.85
_NOISE = 0.02


def mild_augmentations(pictures: FloatArray, seed: int) -> Mapping[str, FloatArray]:
    """Changes pictures as little as taking them again would.

    There is no mirrored copy: to a model of letters or digits a mirrored one is another thing.

    Args:
        pictures: [N, H, W, C] in [0, 1].
        seed: Seed of the noise.

    Returns:
        By kind, float64 or float32 as given, [N, H, W, C] in [0, 1]: shifted by a fourteenth of the longer side to the
        lower right and to the upper left (at least one pixel; edges are repeated), darkened to 85%, and with white
        noise of standard deviation 0.02.
    """
    height, width = pictures.shape[1:3]
    step = max(1, round(max(height, width) * _SHIFT))
    around = np.pad(pictures, ((0, 0), (step, step), (step, step), (0, 0)), mode="edge")
    noise = np.random.default_rng(seed).normal(0, _NOISE, pictures.shape)
    return {
        "shifted": around[:, :height, :width],
        "shifted back": around[:, 2 * step :, 2 * step :],
        "darker": pictures * pictures.dtype.type(_DARKER),
        "noisy": np.clip(pictures + noise, 0, 1).astype(pictures.dtype),
    }
