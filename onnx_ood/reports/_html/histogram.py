"""Histograms of scores: how an input's score stands to the others'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood.reports._html.charts import (
    Frame,
    chart,
    figure,
    level_axis,
    number,
    point,
    tick_text,
    upright_axis,
)
from onnx_ood.reports._html.markup import Markup, element
from onnx_ood.reports._html.scales import Scale, log_scale
from onnx_ood.reports.words import counted

FRAME = Frame(width=460, height=235, right=452, bottom=180)
# Scores of which the largest is so many times the least are shown on a logarithmic scale.
_MANY_TIMES = 100.0
_MOST_BINS = 32
_LARGEST = 1e300


def bin_edges(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of bins of equal width, or of equal ratio where scores go over orders of magnitude."""
    low, high = float(scores.min()), float(scores.max())
    count = int(np.clip(2 * len(scores) ** (1 / 3), 4, _MOST_BINS))
    if low > 0 and high >= _MANY_TIMES * low:
        return np.geomspace(low, high, count + 1)
    if low == high:
        # Far from 0, a half more is no other number.
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
    colour: str = "marked",
    note: str = "",
    higher: str = "more unusual",
) -> Markup:
    """A histogram of scores in which some inputs are marked.

    Args:
        name: What the scores are of.
        scores: Of all inputs.
        marked: Which of them stand out.
        mark: What is said of these.
        others: And of the others, where some are marked.
        colour: The class that colours those that stand out.
        note: What else is to be known.
        higher: What inputs with higher scores are.
    """
    values, chosen = np.asarray(scores, dtype=np.float64), np.asarray(marked, dtype=bool)
    known = np.isfinite(values)
    # So that the difference of the largest is a number too.
    values, chosen = np.clip(values[known], -_LARGEST, _LARGEST), chosen[known]
    if not values.size:
        return figure(f"Histogram of {name}", None, "No input has a number.")
    edges = bin_edges(values)
    log = bool(edges[0] > 0 and edges[-1] >= _MANY_TIMES * edges[0])
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
                _bar(f"bar {colour}", left, right, up(float(of_marked)), FRAME.bottom) if of_marked else None,
            )
        )
    ticks = [(across(tick), tick_text(round(tick, 12))) for tick in across.ticks(6)]
    drawing = chart(
        "histogram",
        f"Histogram of {name} over {counted(len(values), 'input')}"
        + (", on a logarithmic scale." if log else "."),
        FRAME,
        _counts(up),
        level_axis(ticks, FRAME, name + (" (logarithmic)" if log else "")),
        bars,
    )
    legend = None
    if chosen.any():
        legend = element(
            "span",
            element("span", class_=f"key {colour}", aria_hidden="true"),
            f" {mark} ",
            element("span", class_="key", aria_hidden="true"),
            f" {others}",
        )
    return figure(
        f"Histogram of {name}", drawing, f"{counted(len(values), 'input')}; right is {higher}. {note}", legend
    )


def _counts(scale: Scale) -> Markup:
    """The axis of counts, which are whole numbers."""
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
