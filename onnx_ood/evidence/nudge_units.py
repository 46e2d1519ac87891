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
from onnx_ood.runtime import Measurement

# Rows that the spread of features is measured on.
_READ_ROWS, _MIN_SPREAD_ROWS, _SPREAD_ROWS = 32, 10, 256
# Features with larger spreads, or with spreads that differ by a larger factor, are not standardised.
_MAX_SPREAD = 10
# Features whose spreads differ by a larger factor are noted where numbers depend on their units.
_MAX_FACTOR = 2
_MAX_NAMED = 8
UNITS_DIFFER = "Features differ in spread"
"""Beginning of notes on features in different units."""


def holds_features(fed: FedInput, preprocessing: Preprocessing | None) -> bool:
    """Return True if inputs are rows of features, each of which may have a unit of its own.

    Args:
        fed: Model input that takes the inputs.
        preprocessing: Preprocessing of pictures; None for other inputs.
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
    spread = row_spread(np.stack(rows[:_SPREAD_ROWS]))
    varying = spread[spread > 0]
    if varying.size == 0:
        return None
    low, high = np.quantile(varying, (0.05, 0.95))
    return spread if high > _MAX_SPREAD or high > _MAX_SPREAD * low else None


def row_spread(rows: NDArray[Any]) -> Float:
    """Return the standard deviation of each feature over rows [N, D], float64 [D]; exactly 0 for equal values."""
    values = rows.astype(np.float64)
    spread: Float = values.std(axis=0, ddof=1)
    spread[values.min(axis=0) == values.max(axis=0)] = 0
    return spread


@dataclass(frozen=True)
class NudgeUnit:
    """Size of nudges: unit noise is multiplied by both.

    Attributes:
        scale: Standard deviation of nudges: in pixels, in spreads of features, or in units of the model's input.
        gain: Units of the model's input per unit of the scale.
        spread: Standard deviation of each feature, the unit of angles at the site; None for units of the input.
    """

    scale: float
    gain: NDArray[np.floating] | float = 1.0
    spread: Float | None = None

    def with_step(self, step: float | None) -> NudgeUnit:
        """Enlarge nudges to a step to which the model rounds them; None leaves them as they are.

        >>> NudgeUnit(0.02).with_step(0.5)
        NudgeUnit(scale=0.5, gain=1.0, spread=None)
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
        return replace(self, gain=gain.astype(np.float32), spread=spread)

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

    def with_site_angles(
        self, measured: Measurement, batch: NDArray[Any], nudges: NDArray[np.floating]
    ) -> Measurement:
        """Return a measurement whose angles at the site do not depend on the units of features.

        Args:
            measured: The measurement.
            batch: Its inputs [N, D].
            nudges: Its nudges [K, D].
        """
        if self.spread is None:
            return measured
        varying = self.spread > 0
        clean, noise, unit = batch[:, np.newaxis, varying], nudges[:, varying], self.spread[varying]
        moved = clean + noise.astype(clean.dtype)
        a = clean.astype(np.float64) / unit
        d = moved.astype(np.float64) / unit - a
        return replace(
            measured,
            site_aa=np.broadcast_to((a * a).sum(axis=2), d.shape[:2]),
            site_ad=(a * d).sum(axis=2),
            site_dd=(d * d).sum(axis=2),
        )


def unit_notes(spread: Float | None, *, inputs: int = _SPREAD_ROWS) -> list[str]:
    """Note features in different units, on which Jacobian norms and lengths of trajectories depend.

    Args:
        spread: Standard deviation of each feature; None for inputs of other kinds.
        inputs: Number of inputs that it was measured on.
    """
    varying = np.zeros(0) if spread is None else spread[spread > 0]
    if varying.size < 2:
        return []
    low, high = np.quantile(varying, 0.05, method="lower"), np.quantile(varying, 0.95, method="higher")
    factor = float(high / low)
    # Spreads over few inputs differ by chance.
    if factor <= (_MAX_FACTOR if inputs >= _MIN_SPREAD_ROWS else _MAX_SPREAD):
        return []
    rounded = float(f"{factor:.2g}")
    return [
        f"{UNITS_DIFFER} by a factor of {rounded:,.{0 if rounded >= 10 else 1}f}: Jacobian norms, lengths of "
        "trajectories and transition densities depend on their units. Compare models of the same features only."
    ]


def row_unit_notes(
    rows: Sequence[NDArray[Any]] | NDArray[Any], fed: FedInput, preprocessing: Preprocessing | None
) -> list[str]:
    """Note features in different units, as `unit_notes` does.

    Args:
        rows: Inputs of one shape [N, *input]; fewer than two are not noted.
        fed: Model input that takes them.
        preprocessing: Preprocessing of pictures; None for other inputs.
    """
    if len(rows) < 2 or not holds_features(fed, preprocessing):
        return []
    return unit_notes(row_spread(np.asarray(rows)), inputs=len(rows))


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
