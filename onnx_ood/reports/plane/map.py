"""Maps of a plane: classes with boundaries, and Jacobian norms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
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
    Figure,
    Frame,
    Key,
    chart,
    level_axis,
    number,
    point,
    scale_ticks,
    square_key,
    upright_axis,
)
from onnx_ood.reports._html.markup import Markup, element, joined
from onnx_ood.reports._html.regions import outline
from onnx_ood.reports._html.scales import Scale
from onnx_ood.reports.plane.style import (
    CLASS_COLOURS,
    LINES_PER_PATH,
    OTHERS,
    POINT_NAMES,
    boundaries_title,
    coloured,
    line_opacity,
    norm_range,
    norms_title,
    others_name,
)
from onnx_ood.results.base import Prediction

# Left and top of the plot area, its largest width and height, and the room below.
_LEFT, _TOP, _MAX_WIDTH, _MAX_HEIGHT = 64, 8, 508, 560
_BELOW = 58
# Most cells along a side; of a finer grid every second or third is drawn.
_MAX_CELLS = 240
# Most points of lines; of more, the lines of fewer units are drawn.
_MAX_POINTS = 60_000
# Coordinates of lines are rounded to this part of a grid step; they are known to a tenth.
_PARTS = 100
_LEVELS = 8
# Characters of a name in a legend.
_MAX_NAME = 40
# Width of lines, in units of the drawing.
_LINE_WIDTHS = {"of-layer": 0.6, "of-classes": 1.8}


class _Window:
    """Position of a grid in a drawing; one unit of a map is a cell, and rows go up."""

    def __init__(self, grid: PlaneGrid) -> None:
        self._grid = grid
        self._unit = min(_MAX_WIDTH / grid.columns, _MAX_HEIGHT / grid.rows)
        right, bottom = _LEFT + self._unit * grid.columns, _TOP + self._unit * grid.rows
        self.frame = Frame(
            height=ceil(bottom) + _BELOW, left=_LEFT, right=round(right), top=_TOP, bottom=round(bottom)
        )
        x, y = grid.x - grid.step / 2, grid.y - grid.step / 2
        self.across = Scale(x, x + grid.step * grid.columns, _LEFT, right)
        self.up = Scale(y, y + grid.step * grid.rows, bottom, _TOP)

    def axes(self) -> Markup:
        return joined(
            upright_axis(self.up, self.frame, "y, distance in input space"),
            level_axis(scale_ticks(self.across), self.frame, "x, distance in input space"),
        )

    def place(
        self,
        columns: int,
        rows: int,
        *children: Markup | list[Markup],
        kind: str,
        stroke: float | None = None,
    ) -> Markup:
        """Move a map of so many cells to the grid's position; `stroke` is the width of its lines there."""
        grid = self._grid
        across, up = self._unit * grid.columns / columns, self._unit * grid.rows / rows
        transform = f"translate({_LEFT} {self.up.start:.3f}) scale({across:.8f} {-up:.8f})"
        width = None if stroke is None else f"{stroke / across:.3f}"
        return element("g", children, class_=kind, transform=transform, stroke_width=width)

    def lines(self, lines: Sequence[PlaneLine], kind: str, opacity: float | None = None) -> Markup:
        """Lines, several per path."""
        grid = self._grid
        paths = []
        for first in range(0, len(lines), LINES_PER_PATH):
            strokes = []
            for line in lines[first : first + LINES_PER_PATH]:
                x = (np.array(line.x) - grid.x) / grid.step + 0.5
                y = (np.array(line.y) - grid.y) / grid.step + 0.5
                places = np.round(_PARTS * np.stack([x, y], axis=-1)).astype(int)
                moves = np.diff(places, axis=0, prepend=np.zeros((1, 2), int))
                start, *others = (f"{across} {up}" for across, up in moves.tolist())
                # Each line starts at absolute coordinates, and continues relative to them.
                strokes.append(f"M{start}" + (f"l{' '.join(others)}" if others else ""))
            paths.append(element("path", d="".join(strokes), stroke_opacity=opacity))
        return self.place(
            grid.columns * _PARTS,
            grid.rows * _PARTS,
            paths,
            kind=f"lines {kind}",
            stroke=_LINE_WIDTHS[kind],
        )


def plane_figures(result: PlaneResult) -> list[Figure]:
    """All maps of a plane."""
    norms = [norms_figure(result, result.jacobian)] if result.jacobian else []
    return [boundaries_figure(result), *norms]


def boundaries_figure(result: PlaneResult) -> Figure:
    """Map of classes, with their boundaries and those of the layer's units."""
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
        window.lines(lines, "of-layer", line_opacity(layer)),
        window.lines(classes.lines, "of-classes") if classes else None,
        _points(result, window),
    )
    title = boundaries_title(layer, classes)
    lines_note = f"Thin lines: boundaries of units of {layer.name}" + (
        "; thick lines: boundaries of classes." if classes else "."
    )
    fewer = f"Lines of {units:,} of {layer.switching:,} units are drawn, to keep the drawing small."
    return Figure(
        f"{title[0].upper()}{title[1:]}",
        [drawing],
        _class_keys(classes) if classes else (),
        [lines_note, fewer if len(lines) < len(layer.lines) else None],
    )


def norms_figure(result: PlaneResult, jacobian: PlaneJacobian) -> Figure:
    """Map of the Jacobian norm, in steps of equal ratio."""
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
    return Figure(
        f"{title[0].upper()}{title[1:]}",
        [drawing],
        [square_key(name, class_=kind) for kind, name, _ in found],
        [
            "Sensitivity of the output to the input, in steps of equal ratio; darker is larger."
            + (" Lines: boundaries of classes." if result.classes else "")
        ],
    )


def class_name(one: PlaneClass) -> str:
    """Label of a class, or its index."""
    return one.label or f"class {one.index}"


def class_key(classes: PlaneClasses, one: PlaneClass) -> Key:
    """Legend entry of a class."""
    listed, _ = coloured(classes)
    return square_key(
        f"{words.shorten_middle(class_name(one), _MAX_NAME)}, {numbers.percent(one.share)}",
        fill=CLASS_COLOURS[listed.index(one)] if one in listed else OTHERS,
    )


def prediction_text(prediction: Prediction | None) -> str:
    """Prediction with its probability, or nothing."""
    if prediction is None:
        return ""
    share = "" if prediction.probability is None else f" {numbers.percent(prediction.probability)}"
    return f"{prediction.label or f'class {prediction.index}'}{share}"


def _classes(classes: PlaneClasses, window: _Window) -> Markup:
    answers = np.array(classes.answers)
    every = ceil(max(answers.shape) / _MAX_CELLS)
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


def _class_keys(classes: PlaneClasses) -> list[Key]:
    listed, rest = coloured(classes)
    keys = [class_key(classes, one) for one in listed]
    return [*keys, square_key(others_name(rest), fill=OTHERS)] if rest else keys


def _levels(norms: Float) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """List the steps of norms: CSS class, name, and the points in each."""
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
    """Lines of evenly chosen units that fit into a drawing, and the number of these units."""
    units = list(dict.fromkeys(line.index for line in lines))
    every = max(1, ceil(sum(len(line.x) for line in lines) / _MAX_POINTS))
    kept = set(units[::every])
    return [line for line in lines if line.index in kept], len(kept)


def _points(result: PlaneResult, window: _Window) -> list[Markup]:
    drawn = []
    for name, one in zip(POINT_NAMES, result.points, strict=True):
        x, y = window.across(one.x), window.up(one.y)
        facts = [
            f"{name}: {one.id}",
            f"x {number(one.x)}, y {number(one.y)}",
            f"prediction {prediction_text(one.prediction)}" if one.prediction else "",
            f"Jacobian norm {number(one.jacobian)}" if one.jacobian is not None else "",
        ]
        drawn.append(
            point(
                "; ".join(filter(None, facts)),
                element("circle", cx=x, cy=y, r=5),
                element("text", name, class_="place", x=x + 8, y=y - 6, aria_hidden="true"),
            )
        )
    return drawn
