"""Curve with a band: a mean along a trajectory or over layers, and its range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.reports._html.charts import (
    MAX_DISTINCT_POINTS,
    Chart,
    Frame,
    chart,
    level_axis,
    point,
    polyline,
    upright_axis,
)
from onnx_ood.reports._html.markup import Child, element
from onnx_ood.reports._html.scales import Scale

FRAME = Frame(width=460, height=235, right=452, bottom=180)


@dataclass(frozen=True)
class Band:
    """Value and range at one place.

    Attributes:
        low: Lower end of the band.
        middle: Value of the curve.
        high: Upper end of the band.
        tip: Text of the point.
    """

    low: float
    middle: float
    high: float
    tip: str


def band_places(count: int) -> list[float]:
    """Horizontal positions of so many bands."""
    step = (FRAME.right - FRAME.left) / count
    return [FRAME.left + (p + 0.5) * step for p in range(count)]


def band_chart(
    kind: str,
    label: str,
    bands: Sequence[Band],
    up: Scale,
    *,
    upright: str,
    ticks: Sequence[tuple[float, str]],
    level: str,
    guide: Child = None,
) -> Chart:
    """Draw a curve in its band; its points name their numbers.

    Args:
        kind: CSS class.
        label: Description for screen readers.
        bands: From left to right.
        up: Vertical scale.
        upright: Title of the vertical axis.
        ticks: Positions and labels of the horizontal axis.
        level: Title of the horizontal axis.
        guide: Elements between the band and the curve.
    """
    places = band_places(len(bands))
    highs = [(x, up(band.high)) for x, band in zip(places, bands, strict=True)]
    lows = [(x, up(band.low)) for x, band in zip(places, bands, strict=True)]
    middles = [(x, up(band.middle)) for x, band in zip(places, bands, strict=True)]
    return chart(
        f"{kind} dense" if len(bands) > MAX_DISTINCT_POINTS else kind,
        label,
        FRAME,
        upright_axis(up, FRAME, upright),
        level_axis(ticks, FRAME, level),
        element("path", class_="band", d=f"{polyline([*highs, *reversed(lows)])}Z"),
        guide,
        element("path", class_="median", d=polyline(middles)),
        [
            point(band.tip, element("circle", cx=x, cy=y, r=2))
            for (x, y), band in zip(middles, bands, strict=True)
        ],
    )
