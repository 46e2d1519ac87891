"""Units of nudges: the spread of each feature of a table, and steps to which quantized models round."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._printable import shown
from onnx_ood._types import Float
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import FedInput
from onnx_ood.inputs import InputSource, Preprocessing

# Rows that the spread of features is measured on.
_READ_ROWS, _MIN_SPREAD_ROWS, _SPREAD_ROWS = 32, 10, 256
# Features with larger spreads, or with spreads that differ by a larger factor, are not standardised.
_MAX_SPREAD = 10
_MAX_NAMED = 8


def holds_features(fed: FedInput, preprocessing: Preprocessing | None) -> bool:
    """Return True if inputs are rows of features, each of which may have a unit of its own.

    Args:
        fed: Model input that takes the inputs.
        preprocessing: Preprocessing of pictures; None if the inputs are no pictures.
    """
    return preprocessing is None and len(fed.shape or ()) == 2


def feature_spread(prepared: PreparedModel, source: InputSource) -> Float | None:
    """Measure the spread of the features of a table, if one scale does not suit them all.

    Args:
        prepared: The model.
        source: References, or else the inputs; the first 256 rows count.

    Returns:
        Standard deviations, float64 [D]; None if inputs are not rows of numbers, there are fewer than 10, or all
        features have spreads below 10 that differ by less than a factor of 10.
    """
    fed = prepared.fed
    if prepared.site.name != fed.name or not holds_features(fed, prepared.preprocessing):
        return None
    rows: list[NDArray[Any]] = []
    with closing(iter(prepared.reader(source, batch=_READ_ROWS))) as batches:
        for batch in batches:
            rows += [row for row in batch.tensors if np.isfinite(row).all()]
            if len(rows) >= _SPREAD_ROWS:
                break
    if len(rows) < _MIN_SPREAD_ROWS or len({row.shape for row in rows}) > 1:
        return None
    spread: Float = np.stack(rows[:_SPREAD_ROWS]).astype(np.float64).std(axis=0, ddof=1)
    varying = spread[spread > 0]
    if varying.size == 0:
        return None
    low, high = np.quantile(varying, (0.05, 0.95))
    return spread if high > _MAX_SPREAD or high > _MAX_SPREAD * low else None


@dataclass(frozen=True)
class NudgeUnit:
    """Size of nudges: unit noise is multiplied by both.

    Attributes:
        scale: Standard deviation of nudges: in pixels, in spreads of features, or in units of the model's input.
        gain: Units of the model's input per unit of the scale.
    """

    scale: float
    gain: NDArray[np.floating] | float = 1.0

    def with_step(self, step: float | None) -> NudgeUnit:
        """Enlarge nudges to a step to which the model rounds them; None leaves them as they are.

        >>> NudgeUnit(0.02).with_step(0.5)
        NudgeUnit(scale=0.5, gain=1.0)
        """
        # As large in all channels, so that nudges keep their shape.
        return self if step is None else replace(self, scale=max(self.scale, step / float(np.min(self.gain))))

    def with_spread(self, spread: Float | None, step: float | None) -> NudgeUnit:
        """Scale nudges by the spread of each feature, and those below a step to that step.

        Args:
            spread: Standard deviations, [D]; None for no change. Constant features are not nudged.
            step: Step to which the model rounds the site; None without rounding.

        >>> NudgeUnit(0.5).with_spread(np.array([0, 4, 100]), 3).gain
        array([  0.,   6., 100.], dtype=float32)
        """
        if spread is None:
            return self.with_step(step)
        smallest = 0.0 if step is None else step / self.scale
        gain = np.where(spread > 0, np.maximum(spread, smallest), 0)
        return replace(self, gain=gain.astype(np.float32))

    def of(self, noise: Float) -> Float:
        """Scale unit noise."""
        return noise * self.scale * self.gain

    def nudges(self, noise: Float) -> NDArray[np.float32]:
        """Scale unit noise to nudges in the type that probers take.

        Args:
            noise: Unit noise.

        Raises:
            UsageError: If float32 cannot hold the nudges.
        """
        with np.errstate(over="ignore"):
            nudges: NDArray[np.float32] = self.of(noise).astype(np.float32)
        if not np.isfinite(nudges).all():
            raise UsageError(
                f"nudges of scale {self.scale:g} are too large for float32; choose a smaller scale"
            )
        return nudges


def spread_notes(spread: Float | None, *, given: bool, columns: Sequence[str] = ()) -> list[str]:
    """Note the unit of nudges of a table.

    Args:
        spread: The spread; None for other units.
        given: True if it is that of given references.
        columns: Names of the features; empty if they have none.
    """
    if spread is None:
        return []
    over = "references" if given else "inputs"
    named = ""
    if len(columns) == len(spread):
        each = [f"{shown(name)} {size:.3g}" for name, size in zip(columns, spread.tolist(), strict=True)]
        more = len(each) - _MAX_NAMED
        named = f": {', '.join(each[:_MAX_NAMED])}{f' and {more} more' if more > 0 else ''}"
    return [f"Nudges are scaled by the standard deviation of each feature over the {over}{named}."]
