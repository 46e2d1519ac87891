"""The change of a figure between two results, with an interval."""

from __future__ import annotations

from onnx_ood.audits.diff_result import FigureChange
from onnx_ood.metrics.intervals import difference_limit


def apart(
    name: str, a: tuple[float, float | None, float | None], b: tuple[float, float | None, float | None]
) -> FigureChange:
    """The change between figures of draws apart, its interval from theirs.

    Args:
        name: Of the figure.
        a: The first: the figure, and both ends of its interval; None for an end that is the figure itself.
        b: The other.
    """
    change = b[0] - a[0]
    return FigureChange(
        name=name,
        a=a[0],
        b=b[0],
        change=change,
        low=change - difference_limit(b[0], b[1], a[0], a[2]),
        high=change + difference_limit(b[0], b[2], a[0], a[1]),
    )
