"""The observer effect: change of a model's own outputs by instrumentation.

A tensor that is kept can't be fused away, so the runtime may compute the instrumented model in other steps than the
plain one, and round differently.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from onnx_ood._types import Array


def difference(plain: Array, watched: Array) -> float:
    """Relative difference of an output.

    Args:
        plain: Output of the original model.
        watched: Output of the instrumented model for the same inputs.

    Returns:
        ‖watched − plain‖ / ‖plain‖ in float64 for floats, without NaN and infinities at the same places of both, NaN if
        both are NaN everywhere; the fraction of elements that differ for other types; infinity if shapes or the places
        of NaN or infinity differ, or if only `plain` is zero.

    >>> difference(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    0.1
    >>> difference(np.array(["cat", "dog"]), np.array(["cat", "cat"]))
    0.5
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
    if before.size and np.isnan(before).all():
        return float("nan")
    moved = float(np.linalg.norm(after[finite] - before[finite]))
    if moved == 0:
        return 0.0
    size = float(np.linalg.norm(before[finite]))
    return moved / size if size else float("inf")


def largest(differences: Iterable[float]) -> float:
    """Largest of some differences; 0 if there are none, NaN if all are NaN."""
    found = list(differences)
    return max((one for one in found if not np.isnan(one)), default=float("nan") if found else 0.0)
