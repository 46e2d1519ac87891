"""The maps of a plane: classes with boundaries, and Jacobian norms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.plane.result import (
    PlaneClass,
    PlaneClasses,
    PlaneGrid,
    PlaneJacobian,
    PlaneLine,
    PlaneResult,
)
from onnx_ood.reports import numbers, words
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
from onnx_ood.reports._html.markup import Markup, element, joined
from onnx_ood.reports._html.regions import outline
from onnx_ood.reports._html.scales import Scale
from onnx_ood.reports.plane.style import (
    CLASS_COLOURS,
    OTHERS,
    POINT_NAMES,
    TOGETHER,
    boundaries_title,
    coloured,
    norm_range,
    norms_title,
    others_name,
    strength,
)
from onnx_ood.results.base import Prediction

# Of the drawing: where the plot begins, how wide it is at most, and how high.
_LEFT, _TOP, _WIDTH, _HEIGHT = 64, 8, 508, 560
_BENEATH = 58
# Cells along a side that are drawn: of more, every second or third.
_FINEST = 240
# Points of lines that are drawn: of more, lines of fewer units.
_MOST_POINTS = 60_000
# Places in a step of the grid that lines are drawn to; they are known to a tenth.
_PARTS = 100
_LEVELS = 8
# Signs of a name in a key.
_LONGEST = 40


class _Window:
    """Where a grid lies in a drawing; one unit of a map is a cell, and rows go up."""

    def __init__(self, grid: PlaneGrid) -> None:
        self._grid = grid
        self._unit = min(_WIDTH / grid.columns, _HEIGHT / grid.rows)
        right, bottom = _LEFT + self._unit * grid.columns, _TOP + self._unit * grid.rows
        self.frame = Frame(
            height=ceil(bottom) + _BENEATH, left=_LEFT, right=round(right), top=_TOP, bottom=round(bottom)
        )
        x, y = grid.x - grid.step / 2, grid.y - grid.step / 2
        self.across = Scale(x, x + grid.step * grid.columns, _LEFT, right)
        self.up = Scale(y, y + grid.step * grid.rows, bottom, _TOP)

    def axes(self) -> Markup:
        ticks = [(self.across(tick), tick_text(round(tick, 12))) for tick in self.across.ticks()]
        return joined(upright_axis(self.up, self.frame, "y"), level_axis(ticks, self.frame, "x"))

    def place(self, columns: int, rows: int, *children: Markup | list[Markup], kind: str) -> Markup:
        """A map of so many cells, put where the grid is."""
        grid = self._grid
        across, up = self._unit * grid.columns / columns, self._unit * grid.rows / rows
        turned = f"translate({_LEFT} {self.up.start:.3f}) scale({across:.8f} {-up:.8f})"
        return element("g", children, class_=kind, transform=turned)

    def lines(self, lines: Sequence[PlaneLine], kind: str, opacity: float | None = None) -> Markup:
        """Lines, a path for some of them at a time."""
        grid = self._grid
        paths = []
        for first in range(0, len(lines), TOGETHER):
            strokes = []
            for line in lines[first : first + TOGETHER]:
                x = (np.array(line.x) - grid.x) / grid.step + 0.5
                y = (np.array(line.y) - grid.y) / grid.step + 0.5
                places = np.round(_PARTS * np.stack([x, y], axis=-1)).astype(int)
                moves = np.diff(places, axis=0, prepend=np.zeros((1, 2), int))
                start, *others = (f"{across} {up}" for across, up in moves.tolist())
                # Each line begins where it is, and goes on from there.
                strokes.append(f"M{start}" + (f"l{' '.join(others)}" if others else ""))
            paths.append(element("path", d="".join(strokes), stroke_opacity=opacity))
        return self.place(grid.columns * _PARTS, grid.rows * _PARTS, paths, kind=f"lines {kind}")


def boundaries_figure(result: PlaneResult) -> Markup:
    """The classes at all points, and where they and the units of the layer change."""
    window, layer, classes = _Window(result.grid), result.probe, result.classes
    lines, units = _fewer(layer.lines)
    label = f"The plane through the three inputs: {boundaries_title(layer, classes)}."
    if classes:
        label += f" {'; '.join(f'{class_name(one)} on {numbers.percent(one.share)}' for one in coloured(classes)[0])}."
    drawing = chart(
        "plane",
        label,
        window.frame,
        window.axes(),
        _classes(classes, window) if classes else None,
        window.lines(lines, "of-layer", strength(layer)),
        window.lines(classes.lines, "of-classes") if classes else None,
        _points(result, window),
    )
    title = boundaries_title(layer, classes)
    words = f"Thin lines: where units of {layer.name} change their codes" + (
        "; thick ones: where the class changes." if classes else "."
    )
    fewer = f"The lines of {units:,} of {layer.switching:,} units are drawn, to keep this page small."
    return figure(
        f"{title[0].upper()}{title[1:]}",
        joined(drawing, _class_keys(classes) if classes else None),
        f"{words} x and y are distances in input space.",
        fewer if len(lines) < len(layer.lines) else None,
    )


def norms_figure(result: PlaneResult, jacobian: PlaneJacobian) -> Markup:
    """The Jacobian norm at the points of its grid, in steps of equal ratio."""
    grid = jacobian.grid
    window, found = _Window(grid), _levels(np.array(jacobian.norms, np.float64))
    cells = [
        point(
            f"Jacobian norm {name} on {numbers.percent(float(chosen.mean()))} of the points",
            element("path", class_=kind, d=outline(chosen)),
        )
        for kind, name, chosen in found
    ]
    title = norms_title(jacobian)
    drawing = chart(
        "plane",
        f"The plane through the three inputs: {title}, at {grid.columns} by {grid.rows} points.",
        window.frame,
        window.axes(),
        window.place(grid.columns, grid.rows, cells, kind="cells"),
        window.lines(result.classes.lines, "of-classes") if result.classes else None,
        _points(result, window),
    )
    return figure(
        f"{title[0].upper()}{title[1:]}",
        joined(drawing, _keys([(_swatch(class_=kind), name) for kind, name, _ in found])),
        "How far the answer moves when the input does, in steps of equal ratio: the stronger the colour the further."
        + (" Lines: where the class changes." if result.classes else ""),
    )


def class_name(one: PlaneClass) -> str:
    """A class as the keys and tables have it."""
    return one.label or f"class {one.index}"


def class_swatch(classes: PlaneClasses, one: PlaneClass) -> Markup:
    """The colour of a class."""
    listed, _ = coloured(classes)
    return _swatch(fill=CLASS_COLOURS[listed.index(one)] if one in listed else OTHERS)


def answer(prediction: Prediction | None) -> str:
    """What the model says of an input, or nothing."""
    if prediction is None:
        return ""
    share = "" if prediction.probability is None else f" {numbers.percent(prediction.probability)}"
    return f"{prediction.label or f'class {prediction.index}'}{share}"


def _classes(classes: PlaneClasses, window: _Window) -> Markup:
    answers = np.array(classes.answers)
    every = ceil(max(answers.shape) / _FINEST)
    answers = answers[every // 2 :: every, every // 2 :: every]
    listed, rest = coloured(classes)
    areas = [
        (
            CLASS_COLOURS[place],
            f"{class_name(one)}: {numbers.percent(one.share)} of the window",
            answers == one.index,
        )
        for place, one in enumerate(listed)
    ]
    if rest:
        areas.append((OTHERS, others_name(rest), np.isin(answers, [one.index for one in rest])))
    cells = [point(tip, element("path", fill=colour, d=outline(chosen))) for colour, tip, chosen in areas]
    if (answers < 0).any():
        tip = "No class: an output is not finite"
        cells.append(point(tip, element("path", class_="unknown", d=outline(answers < 0))))
    rows, columns = answers.shape
    return window.place(columns, rows, cells, kind="cells")


def _class_keys(classes: PlaneClasses) -> Markup:
    listed, rest = coloured(classes)
    keys = [
        (
            class_swatch(classes, one),
            f"{words.shorten_middle(class_name(one), _LONGEST)}, {numbers.percent(one.share)}",
        )
        for one in listed
    ]
    if rest:
        keys.append((_swatch(fill=OTHERS), others_name(rest)))
    return _keys(keys)


def _levels(norms: NDArray[np.float64]) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """Steps of norms: the class of each, what it holds, and the points that are in it."""
    unknown = [("unknown", "unknown", ~np.isfinite(norms))]
    bounds = norm_range(norms)
    if bounds is None:
        found = [("level-1", "0", norms == 0)]
    elif bounds[0] == bounds[1]:
        found = [("level-1", "0", norms == 0), (f"level-{_LEVELS}", number(bounds[0]), norms == bounds[0])]
    else:
        edges = np.geomspace(*bounds, _LEVELS + 1)
        step = np.searchsorted(edges[1:-1], norms, side="right")
        names = [f"{number(low)} to {number(high)}" for low, high in pairwise(edges.tolist())]
        if (norms < bounds[0]).any():
            names[0] = f"below {number(float(edges[1]))}"
        known = np.isfinite(norms)
        found = [(f"level-{k + 1}", name, known & (step == k)) for k, name in enumerate(names)]
    return [one for one in [*found, *unknown] if one[2].any()]


def _fewer(lines: Sequence[PlaneLine]) -> tuple[Sequence[PlaneLine], int]:
    """The lines of as many units as a page has room for, spread over all, and how many units these are."""
    units = list(dict.fromkeys(line.index for line in lines))
    every = max(1, ceil(sum(len(line.x) for line in lines) / _MOST_POINTS))
    kept = set(units[::every])
    return [line for line in lines if line.index in kept], len(kept)


def _points(result: PlaneResult, window: _Window) -> list[Markup]:
    drawn = []
    for name, one in zip(POINT_NAMES, result.points, strict=True):
        x, y = window.across(one.x), window.up(one.y)
        said = [
            f"{name}: {one.id}",
            f"x {number(one.x)}, y {number(one.y)}",
            f"answer {answer(one.prediction)}" if one.prediction else "",
            f"Jacobian norm {number(one.jacobian)}" if one.jacobian is not None else "",
        ]
        drawn.append(
            point(
                "; ".join(filter(None, said)),
                element("circle", cx=x, cy=y, r=5),
                element("text", name, class_="place", x=x + 8, y=y - 6, aria_hidden="true"),
            )
        )
    return drawn


def _keys(keys: Sequence[tuple[Markup, str]]) -> Markup:
    return element("ul", [element("li", swatch, f" {name}") for swatch, name in keys], class_="keys")


def _swatch(**colour: str) -> Markup:
    cell = element("rect", width=12, height=12, **colour)
    return element(
        "svg", element("g", cell, class_="cells"), class_="swatch", viewBox="0 0 12 12", aria_hidden="true"
    )
