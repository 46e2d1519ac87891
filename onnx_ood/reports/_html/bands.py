"""Curves with a band: a mean over a way or over layers, and the range of what it is the mean of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.reports._html.charts import MOST_POINTS, Frame, chart, level_axis, point, upright_axis
from onnx_ood.reports._html.markup import Child, Markup, element
from onnx_ood.reports._html.scales import Scale

FRAME = Frame(width=460, height=235, right=452, bottom=180)


@dataclass(frozen=True)
class Band:
    """What stands above one place.

    Attributes:
        low: Where the band begins.
        middle: Where the curve is.
        high: Where the band ends.
        tip: What its point says.
    """

    low: float
    middle: float
    high: float
    tip: str


def band_places(count: int) -> list[float]:
    """Where each of so many bands stands."""
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
) -> Markup:
    """A curve in its band, whose points say their numbers.

    Args:
        kind: Its class.
        label: What it shows, for those who can't see it.
        bands: From left to right.
        up: The scale of the values.
        upright: What the values are.
        ticks: Places beneath the plot, and what is there.
        level: What the bands stand for.
        guide: What is drawn beneath the curve.
    """
    places = band_places(len(bands))
    highs = [(x, up(band.high)) for x, band in zip(places, bands, strict=True)]
    lows = [(x, up(band.low)) for x, band in zip(places, bands, strict=True)]
    middles = [(x, up(band.middle)) for x, band in zip(places, bands, strict=True)]
    return chart(
        f"{kind} dense" if len(bands) > MOST_POINTS else kind,
        label,
        FRAME,
        upright_axis(up, FRAME, upright),
        level_axis(ticks, FRAME, level),
        element("path", class_="band", d=f"M{_corners([*highs, *reversed(lows)])}Z"),
        guide,
        element("path", class_="median", d=f"M{_corners(middles)}"),
        [
            point(band.tip, element("circle", cx=x, cy=y, r=2))
            for (x, y), band in zip(middles, bands, strict=True)
        ],
    )


def _corners(corners: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
