"""Histograms of the scores of one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float
from onnx_ood.reports._html.charts import (
    Figure,
    Frame,
    chart,
    level_axis,
    number,
    point,
    scale_ticks,
    square_key,
    upright_axis,
)
from onnx_ood.reports._html.markup import Markup, element
from onnx_ood.reports._html.scales import Scale, log_scale
from onnx_ood.reports.words import counted

FRAME = Frame(width=460, height=235, right=452, bottom=180)
# Scores whose largest is at least so many times the smallest are drawn on a logarithmic scale.
_LOG_RATIO = 100.0
_MAX_BINS = 32
_LARGEST = 1e300


def bin_edges(scores: Float) -> Float:
    """Edges of bins of equal width, or of equal ratio if scores span orders of magnitude."""
    low, high = float(scores.min()), float(scores.max())
    count = int(np.clip(2 * len(scores) ** (1 / 3), 4, _MAX_BINS))
    if low > 0 and high >= _LOG_RATIO * low:
        return np.geomspace(low, high, count + 1)
    if low == high:
        # Far from 0, adding a half does not change a float.
        half = max(0.5, 1e-6 * abs(low))
        low, high = low - half, high + half
    return np.linspace(low, high, count + 1)


def histogram_figure(
    name: str,
    scores: Sequence[float],
    marked: Sequence[bool],
    mark: str,
    *,
    others: str = "not flagged",
    higher: str = "more unusual",
) -> Figure:
    """Draw a histogram of scores, with some inputs marked.

    Args:
        name: Name of the scores.
        scores: Scores of all inputs.
        marked: Whether each input is marked.
        mark: Legend of the marked inputs.
        others: Legend of the others.
        higher: Meaning of a higher score.
    """
    values, chosen = np.asarray(scores, dtype=np.float64), np.asarray(marked, dtype=bool)
    known = np.isfinite(values)
    # Clipped, so that the difference of the extremes is finite.
    values, chosen = np.clip(values[known], -_LARGEST, _LARGEST), chosen[known]
    if not values.size:
        return Figure(f"Histogram of {name}", [], notes=["No input has a number."])
    edges = bin_edges(values)
    log = bool(edges[0] > 0 and edges[-1] >= _LOG_RATIO * edges[0])
    all_counts = np.histogram(values, edges)[0]
    counts = np.histogram(values[chosen], edges)[0]
    across = (
        log_scale(edges, FRAME.left, FRAME.right)
        if log
        else Scale(float(edges[0]), float(edges[-1]), FRAME.left, FRAME.right)
    )
    up = Scale(0.0, float(all_counts.max()) * 1.04, FRAME.bottom, FRAME.top)
    bars = []
    for i, (count, of_marked) in enumerate(zip(all_counts, counts, strict=True)):
        if not count:
            continue
        left, right = across(float(edges[i])) + 1, across(float(edges[i + 1])) - 1
        tip = f"{name} {number(float(edges[i]))} to {number(float(edges[i + 1]))}: {counted(int(count), 'input')}"
        tip += f", {of_marked} {mark}" if of_marked else ""
        bars.append(
            point(
                tip,
                _bar("bar", left, right, up(float(count)), FRAME.bottom),
                _bar("bar marked", left, right, up(float(of_marked)), FRAME.bottom) if of_marked else None,
            )
        )
    drawing = chart(
        "histogram",
        f"Histogram of {name} over {counted(len(values), 'input')}"
        + (", on a logarithmic scale." if log else "."),
        FRAME,
        _counts(up),
        level_axis(scale_ticks(across, 6), FRAME, name + (" (logarithmic)" if log else "")),
        bars,
    )
    keys = [square_key(mark, class_="bar marked"), square_key(others, class_="bar")] if chosen.any() else []
    return Figure(
        f"Histogram of {name}",
        [drawing],
        keys,
        [f"{counted(len(values), 'input')}; right is {higher}."],
    )


def _counts(scale: Scale) -> Markup:
    """Vertical axis of counts."""
    whole = Scale(0.0, max(scale.high, 1.0), scale.start, scale.stop)
    return upright_axis(_Whole(whole.low, whole.high, whole.start, whole.stop), FRAME, "inputs")


class _Whole(Scale):
    """A scale of whole numbers."""

    def ticks(self, about: int = 5) -> list[float]:
        """Round whole numbers."""
        return [tick for tick in super().ticks(about) if tick == round(tick)]


def _bar(kind: str, left: float, right: float, top: float, bottom: float) -> Markup:
    return element(
        "rect", class_=kind, x=left, y=top, width=max(right - left, 1.0), height=max(bottom - top, 0.0)
    )
