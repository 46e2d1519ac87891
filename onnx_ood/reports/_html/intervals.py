"""Rows of values with their intervals: one line per name, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.reports._html.charts import Figure, Frame, chart, level_axis, point, scale_ticks
from onnx_ood.reports._html.markup import Markup, element
from onnx_ood.reports._html.rows import row_frame, row_name
from onnx_ood.reports._html.scales import Scale

_ROW = 26


@dataclass(frozen=True)
class Interval:
    """Line of the chart.

    Attributes:
        name: Name of the line.
        low: Lower end of the interval.
        value: Position of the point.
        high: Upper end of the interval.
        tip: Text of the point.
    """

    name: str
    low: float
    value: float
    high: float
    tip: str


def interval_figure(
    kind: str,
    title: str,
    label: str,
    rows: Sequence[Interval],
    bounds: tuple[float, float],
    *,
    axis: str,
    guide: float,
    words: str,
) -> Figure:
    """Draw values with their intervals.

    Args:
        kind: CSS class.
        title: Heading.
        label: Description for screen readers.
        rows: From top to bottom.
        bounds: Ends of the axis; values beyond are drawn at its ends.
        axis: Title of the axis.
        guide: Position of a dashed line.
        words: Note about the chart.
    """
    frame = row_frame([row.name for row in rows], _ROW)
    scale = Scale(*bounds, frame.left, frame.right)
    drawing = chart(
        kind,
        label,
        frame,
        element("path", class_="floor", d=f"M{scale(guide):.1f} {frame.top}V{frame.bottom}"),
        level_axis(scale_ticks(scale), frame, axis),
        [_row(row, frame, scale, frame.top + (place + 0.5) * _ROW + 3) for place, row in enumerate(rows)],
    )
    return Figure(title, [drawing], notes=[words])


def _row(row: Interval, frame: Frame, scale: Scale, y: float) -> list[Markup]:
    low, middle, high = (scale(value) for value in (row.low, row.value, row.high))
    line = element("path", class_="range", d=f"M{low:.1f} {y:.1f}H{high:.1f}")
    return [row_name(row.name, frame, y), point(row.tip, line, element("circle", cx=middle, cy=y, r=4))]
