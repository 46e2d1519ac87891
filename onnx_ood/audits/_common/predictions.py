"""Predictions of a classifier: the largest value of its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.results.base import Prediction


class Answers(NamedTuple):
    """The largest output of each of N inputs.

    Attributes:
        position: Where it is, int64 [N].
        value: What it is, float64 [N].
        probability: Its softmax, or the value itself if the output is a distribution; float64 [N], NaN where an
            output is not finite.
        classes: Length of the output.
    """

    position: NDArray[np.int64]
    value: Float
    probability: Float
    classes: int

    def prediction(self, i: int, labels: Sequence[str] | None) -> Prediction:
        """One input's answer with its name.

        Args:
            i: The input.
            labels: Class names by index; None, or a list of another length, leaves answers without names.
        """
        index = int(self.position[i])
        named = labels is not None and len(labels) == self.classes
        return Prediction(
            index=index,
            label=labels[index] if named and labels is not None else None,
            value=float(self.value[i]),
            probability=None if np.isnan(self.probability[i]) else float(self.probability[i]),
        )


def read_answers(outputs: Mapping[str, NDArray[np.generic]]) -> Answers | None:
    """Read the predictions of a classifier from its outputs.

    Args:
        outputs: The model's own outputs, [N, ...] each.

    Returns:
        The answers, or None if the model's first output is not a vector of two or more floats an input.
    """
    values = next(iter(outputs.values()), None)
    if values is None or values.dtype == object or not np.issubdtype(values.dtype, np.floating):
        return None
    rows: Float = values.reshape(len(values), -1).astype(np.float64)
    classes = rows.shape[1]
    # A feature map is not a vector, whatever its size.
    if classes < 2 or classes != max(values.shape[1:], default=1):
        return None
    position: NDArray[np.int64] = rows.argmax(axis=1)
    value = np.take_along_axis(rows, position[:, np.newaxis], axis=1)[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):
        softmax = 1 / np.exp(rows - value[:, np.newaxis]).sum(axis=1)
        # An output that is a distribution has its softmax inside.
        distribution = (rows.min(axis=1) >= 0) & (np.abs(rows.sum(axis=1) - 1) < 1e-3)
    probability = np.where(distribution, value, softmax)
    probability[~np.isfinite(rows).all(axis=1)] = np.nan
    return Answers(position, value, probability, classes)
