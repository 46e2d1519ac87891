"""How sure a mean over a few draws is."""

from __future__ import annotations

import numpy as np

from onnx_ood._types import Float


def standard_error(values: Float) -> Float:
    """Standard error of the mean over copies.

    Args:
        values: [N, K, P], K independent draws.

    Returns:
        [N, P]; NaN for one copy, which has none.
    """
    copies = values.shape[1]
    if copies == 1:
        return np.full((len(values), values.shape[2]), np.nan)
    error: Float = values.std(axis=1, ddof=1) / np.sqrt(copies)
    return error
