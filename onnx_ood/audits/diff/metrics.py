"""The change of a figure between two results, with an interval."""

from __future__ import annotations

from collections.abc import Iterable

from onnx_ood.audits.diff.result import MetricChange
from onnx_ood.metrics.estimates import difference_limit
from onnx_ood.results.base import Number


def one_sided(a: Iterable[str], b: Iterable[str]) -> tuple[str, ...]:
    """What one of two lists has and the other hasn't, those of the first before those of the second."""
    before, after = dict.fromkeys(a), dict.fromkeys(b)
    return tuple(name for name in {**before, **after} if (name in before) != (name in after))


def change_alone(name: str, a: Number, b: Number) -> MetricChange:
    """The change of a figure whose noise isn't known.

    Args:
        name: Of the figure.
        a: The first; None where there is none.
        b: The other.
    """
    change = None if a is None or b is None else b - a
    return MetricChange(name=name, a=a, b=b, change=change, low=None, high=None)


def apart(
    name: str, a: tuple[float, float | None, float | None], b: tuple[float, float | None, float | None]
) -> MetricChange:
    """The change between figures of draws apart, its interval from theirs.

    Args:
        name: Of the figure.
        a: The first: the figure, and both ends of its interval; None for an end that is the figure itself.
        b: The other.
    """
    change = b[0] - a[0]
    return MetricChange(
        name=name,
        a=a[0],
        b=b[0],
        change=change,
        low=change - difference_limit(b[0], b[1], a[0], a[2]),
        high=change + difference_limit(b[0], b[2], a[0], a[1]),
    )
