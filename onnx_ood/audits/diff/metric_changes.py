"""Change of a metric between two results, with an interval."""

from __future__ import annotations

from collections.abc import Iterable

from onnx_ood.audits.diff.result import MetricChange
from onnx_ood.metrics.estimates import difference_limit
from onnx_ood.results.base import Number


def one_sided(a: Iterable[str], b: Iterable[str]) -> tuple[str, ...]:
    """Names in one of two lists only, those of the first list first.

    >>> one_sided(["msp", "gen"], ["gen", "energy"])
    ('msp', 'energy')
    """
    before, after = dict.fromkeys(a), dict.fromkeys(b)
    return tuple(name for name in {**before, **after} if (name in before) != (name in after))


def change_without_interval(name: str, a: Number, b: Number, not_comparable: str = "") -> MetricChange:
    """Compute the change of a metric with unknown noise, or of one whose values are not comparable.

    Args:
        name: Name of the metric.
        a: Value in the first result; None if undefined.
        b: Value in the second result.
        not_comparable: Reason why the values are not comparable, or empty.
    """
    change = None if a is None or b is None or not_comparable else b - a
    return MetricChange(
        name=name, a=a, b=b, change=change, low=None, high=None, not_comparable=not_comparable
    )


def change_with_interval(
    name: str, a: tuple[float, float | None, float | None], b: tuple[float, float | None, float | None]
) -> MetricChange:
    """Compute the change between independent values, with its interval (Zou and Donner, 2008).

    Args:
        name: Name of the metric.
        a: Value in the first result and both ends of its interval; None for an end equal to the value.
        b: The same in the second result.
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
