"""Columns of the table of scored inputs, the same as a DataFrame, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from onnx_ood.results.base import Failure, Number

if TYPE_CHECKING:
    from onnx_ood.audits.score.result import InputResult

_FIXED: dict[str, type] = {
    "id": str,
    "rank": int,
    "p_value": float,
    "flagged": bool,
    "deviation": float,
    "rotation": str,
    "published_score": float,
    "prediction": int,
    "label": str,
    "probability": float,
    "copies": int,
    "failed": str,
}
_MEASURES = {
    "drop": "drop",
    "drop_error": "drop_error",
    "distortion": "distortion",
    "flip_rate": "flip_rate",
    "deviation": "probe_deviations",
}


def table_columns(
    detectors: Iterable[str], probes: Iterable[str], terms: Iterable[tuple[str, str]] = ()
) -> dict[str, type]:
    """Return the columns in order, with the types of their values; all values but `id` can be None.

    Args:
        detectors: Names of the detectors.
        probes: Names of the probes.
        terms: Names of detector and term, for all terms of scores.

    >>> list(table_columns(["auto"], ["relu"]))[-6:-2]
    ['score:auto', 'drop:relu', 'drop_error:relu', 'distortion:relu']
    """
    scores = [f"score:{name}" for name in detectors]
    parts = [f"score:{name}:{term}" for name, term in terms]
    measured = [f"{measure}:{name}" for name in probes for measure in _MEASURES]
    return {**_FIXED, **dict.fromkeys([*scores, *parts, *measured], float)}


def table_row(entry: InputResult | Failure, columns: int) -> Sequence[Any]:
    """Return the values of one input in the order of the columns.

    Args:
        entry: A scored input, or a failed one, which has an `id` and the reason as `failed` only.
        columns: Number of columns.
    """
    if isinstance(entry, Failure):
        row = [entry.id, *[None] * (columns - 1)]
        row[list(_FIXED).index("failed")] = entry.reason
        return row
    answer = entry.prediction
    probes = len(entry.drop)
    measured = [getattr(entry, name) or (None,) * probes for name in _MEASURES.values()]
    parts = columns - len(_FIXED) - len(entry.scores) - len(_MEASURES) * probes
    terms: list[Number] = [one.value for one in entry.terms] or [None] * parts
    return [
        entry.id,
        entry.rank,
        entry.p_value,
        entry.flagged,
        entry.deviation,
        entry.rotation,
        entry.published_score,
        answer.index if answer else None,
        answer.label if answer else None,
        answer.probability if answer else None,
        entry.copies,
        None,
        *entry.scores,
        *terms,
        *(values[probe] for probe in range(probes) for values in measured),
    ]
