"""The nudge of the published recipe, "How to tell if your input is out of distribution given only model weights".

Published on LessWrong for torchvision's ResNet-18: Gaussian noise in normalised tensor space whose size follows the
input's norm, after which the input is scaled back to its norm; the answer is the angle at the third-last
executed convolution over the angle at the input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnx_ood.perturb.noise import draw

# Standard deviation of the noise as a share of the input's norm.
RELATIVE_SCALE = 1e-5
# Where the recipe looks.
PROBE = "op:Conv[-3]"


def lesswrong_nudges(batch: NDArray[np.floating], copies: int, seed: int) -> NDArray[np.float64]:
    """Nudges x' − x with x' = ‖x‖ · (x + ‖x‖·10⁻⁵·ξ) / ‖x + ‖x‖·10⁻⁵·ξ‖ and ξ ~ N(0, I).

    Args:
        batch: Inputs [N, *input] as the model takes them.
        copies: K draws of ξ, shared by all inputs.
        seed: Seed of the draws.

    Returns:
        float64 [N, K, *input]; zero for an input that is zero everywhere.

    Raises:
        UsageError: If copies or seed is out of range.
    """
    inputs = batch.astype(np.float64)[:, np.newaxis]
    noise = draw("gaussian", batch.shape[1:], copies, seed)[np.newaxis]
    axes = tuple(range(2, inputs.ndim))
    norm = np.sqrt(np.sum(inputs**2, axis=axes, keepdims=True))
    moved = inputs + noise * (norm * RELATIVE_SCALE)
    length = np.sqrt(np.sum(moved**2, axis=axes, keepdims=True))
    nudges: NDArray[np.float64] = (
        moved * np.divide(norm, length, out=np.ones_like(length), where=length > 0) - inputs
    )
    return nudges
