"""The published reading of the cosine drop: the less an activation turns, the stranger the input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def published_score(drops: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores inputs by how little their activations turned.

    The claim behind it is often inverted on real data: smooth, blurred and flat pictures turn *more*. It is
    reported for comparison and is no verdict.

    Args:
        drops: Mean cosine drop of each input at each probe, [N, P].
        floor: Noise floor of each probe, [P], above 0; smaller drops are taken as the floor.

    Returns:
        −mean over probes of log₁₀(drop), [N]; higher = more out-of-distribution as published.
    """
    score: NDArray[np.float64] = -np.log10(np.maximum(drops, floor)).mean(axis=1)
    return score
