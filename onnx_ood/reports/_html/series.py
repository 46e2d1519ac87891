"""Small charts of several series side by side, which share a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.reports import words
from onnx_ood.reports._html.charts import (
    Chart,
    Frame,
    Key,
    chart,
    level_axis,
    line_key,
    point,
    polyline,
    upright_axis,
)
from onnx_ood.reports._html.markup import Child, Markup, element
from onnx_ood.reports._html.scales import Scale

MAX_SERIES = 6
"""Series with a colour and a dash pattern of their own."""

SQUARE = Frame(width=230, height=254, left=48, right=222, top=26, bottom=200)
FLAT = Frame(width=230, height=204, left=48, right=222, top=26, bottom=150)
# Characters of a panel's title, and of a name in a legend.
_MAX_TITLE, _MAX_NAME = 30, 40


@dataclass(frozen=True)
class Series:
    """A curve of a panel.

    Attributes:
        points: Corners of the curve, in the units of the scales.
        tip: Text of the curve.
        band: Lower and upper value at each x, or nothing.
    """

    points: Sequence[tuple[float, float]]
    tip: str
    band: Sequence[tuple[float, float, float]] = ()


def series_panel(
    title: str,
    label: str,
    series: Sequence[Series],
    across: Scale,
    up: Scale,
    *,
    frame: Frame,
    ticks: Sequence[tuple[float, str]],
    axes: tuple[str, str],
    guide: Sequence[tuple[float, float]],
) -> Chart:
    """Draw curves into one panel; the first is in front.

    Args:
        title: Title inside the panel.
        label: Description for screen readers.
        series: At most `MAX_SERIES` curves.
        across: Horizontal scale.
        up: Vertical scale.
        frame: Size.
        ticks: Positions and labels of the horizontal axis.
        axes: Titles of the horizontal and the vertical axis.
        guide: Corners of a faint line of comparison.
    """
    return chart(
        "panel series-panel",
        label,
        frame,
        panel_title(title, frame),
        upright_axis(up, frame, axes[1]),
        level_axis(ticks, frame, axes[0]),
        element("path", class_="guide", d=polyline([(across(x), up(y)) for x, y in guide])),
        [_spread(k, one, across, up) for k, one in reversed(list(enumerate(series, 1))) if one.band],
        [_curve(k, one, across, up) for k, one in reversed(list(enumerate(series, 1)))],
    )


def series_keys(names: Sequence[str]) -> list[Key]:
    """Legend of curves, in their order."""
    return [
        line_key(words.shorten_middle(name, _MAX_NAME), f"series series-{k}")
        for k, name in enumerate(names, 1)
    ]


def panel_title(title: str, frame: Frame) -> Markup:
    """Title above the plot area of a panel."""
    middle = (frame.left + frame.right) / 2
    return element(
        "text",
        words.shorten_middle(title, _MAX_TITLE),
        class_="panel-title",
        x=middle,
        y=frame.top - 10,
        text_anchor="middle",
    )


def _curve(k: int, series: Series, across: Scale, up: Scale) -> Child:
    # ROC curves have a corner per score: more than can be seen.
    places = dict.fromkeys((round(across(x), 1), round(up(y), 1)) for x, y in series.points)
    line = polyline(places)
    return point(series.tip, element("path", class_=f"series series-{k}", d=line))


def _spread(k: int, series: Series, across: Scale, up: Scale) -> Child:
    highs = [(across(x), up(high)) for x, _, high in series.band]
    lows = [(across(x), up(low)) for x, low, _ in reversed(series.band)]
    return element("path", class_=f"spread spread-{k}", d=f"{polyline([*highs, *lows])}Z")
