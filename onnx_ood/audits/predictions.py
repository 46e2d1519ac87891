"""What a model says itself: the largest value of its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.score_result import Prediction


def predict(
    outputs: Mapping[str, NDArray[np.generic]], labels: Sequence[str] | None
) -> list[Prediction] | None:
    """Reads the predictions of a classifier from its outputs.

    Args:
        outputs: The model's own outputs, [N, ...] each.
        labels: Class names by index, or None.

    Returns:
        One prediction an input, or None if the model's first output is not a vector of two or more floats an input.
    """
    if not outputs:
        return None
    values = next(iter(outputs.values()))
    if values.dtype == object or not np.issubdtype(values.dtype, np.floating):
        return None
    rows: NDArray[np.float64] = values.reshape(len(values), -1).astype(np.float64)
    longest = max(values.shape[1:], default=1)
    if rows.shape[1] < 2 or rows.shape[1] != longest:
        return None
    if labels is not None and len(labels) != longest:
        labels = None
    return [_largest(row, labels) for row in rows]


def _largest(row: NDArray[np.float64], labels: Sequence[str] | None) -> Prediction:
    index = int(np.argmax(row))
    return Prediction(
        index=index,
        label=labels[index] if labels is not None else None,
        value=float(row[index]),
        probability=_probability(row, index),
    )


def _probability(row: NDArray[np.float64], index: int) -> float | None:
    if not np.isfinite(row).all():
        return None
    # An output that is a distribution already has its softmax inside.
    if row.min() >= 0 and abs(row.sum() - 1) < 1e-3:
        return float(row[index])
    return float(1 / np.exp(row - row[index]).sum())
