"""The observer effect: how far watching a model moves its own outputs.

A tensor that is kept can't be fused away, so the runtime may compute the watched model in other steps than the plain
one, and round otherwise. That is measured, not assumed to be nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from onnx_ood._types import Array


def difference(plain: Array, watched: Array) -> float:
    """How far an output moved.

    Args:
        plain: What the model as it came gives.
        watched: What the watched model gives for the same inputs.

    Returns:
        ‖watched − plain‖ / ‖plain‖ in float64 for floats, NaN and infinities left out where both have them; the
        share of elements that differ for everything else; infinity where shapes or the places of NaN or infinity
        differ, or where only `plain` is zero.
    """
    if plain.shape != watched.shape or plain.dtype != watched.dtype:
        return float("inf")
    if not np.issubdtype(plain.dtype, np.floating):
        return float(np.mean(plain != watched)) if plain.size else 0.0
    before, after = plain.astype(np.float64), watched.astype(np.float64)
    finite = np.isfinite(before)
    if (
        not np.array_equal(before[~finite], after[~finite], equal_nan=True)
        or not np.isfinite(after[finite]).all()
    ):
        return float("inf")
    moved = float(np.linalg.norm(after[finite] - before[finite]))
    if moved == 0:
        return 0.0
    size = float(np.linalg.norm(before[finite]))
    return moved / size if size else float("inf")


def largest(differences: Iterable[float]) -> float:
    """The largest of some differences, 0 if there are none."""
    return max(differences, default=0.0)
