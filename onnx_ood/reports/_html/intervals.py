"""Rows of values with their intervals: a line for each name, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.reports._html.charts import Frame, chart, figure, level_axis, point, tick_text
from onnx_ood.reports._html.markup import Markup, element
from onnx_ood.reports._html.rows import row_frame, row_name
from onnx_ood.reports._html.scales import Scale

_ROW = 26


@dataclass(frozen=True)
class Interval:
    """A line of the chart.

    Attributes:
        name: What it is of.
        low: Where its interval begins.
        value: Where its point is.
        high: Where its interval ends.
        tip: What it says.
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
) -> Markup:
    """A chart of values with their intervals.

    Args:
        kind: Its class.
        title: What stands above it.
        label: What it shows, for those who can't see it.
        rows: From top to bottom.
        bounds: Of the axis; what lies beyond is drawn at its end.
        axis: What the values are.
        guide: Where a dashed line stands.
        words: What has to be known of it.
    """
    frame = row_frame([row.name for row in rows], _ROW)
    scale = Scale(*bounds, frame.left, frame.right)
    ticks = [(scale(tick), tick_text(round(tick, 12))) for tick in scale.ticks()]
    drawing = chart(
        kind,
        label,
        frame,
        element("path", class_="floor", d=f"M{scale(guide):.1f} {frame.top}V{frame.bottom}"),
        level_axis(ticks, frame, axis),
        [_row(row, frame, scale, frame.top + (place + 0.5) * _ROW + 3) for place, row in enumerate(rows)],
    )
    return figure(title, drawing, words)


def _row(row: Interval, frame: Frame, scale: Scale, y: float) -> list[Markup]:
    low, middle, high = (scale(value) for value in (row.low, row.value, row.high))
    line = element("path", class_="range", d=f"M{low:.1f} {y:.1f}H{high:.1f}")
    return [row_name(row.name, frame, y), point(row.tip, line, element("circle", cx=middle, cy=y, r=4))]
