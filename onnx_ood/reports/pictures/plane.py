"""The plane audit as a picture: classes with boundaries, and the Jacobian norm, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnx_ood.audits.plane.result import PlaneClass, PlaneClasses, PlaneGrid, PlaneLine, PlaneResult
from onnx_ood.reports.numbers import percent
from onnx_ood.reports.pictures.canvas import drawing
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
from onnx_ood.reports.words import shorten
from onnx_ood.results.base import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNDEFINED = "#ffffff"
# Width of a panel, and the room beside and above it, in inches.
_PANEL, _KEY, _HEAD = 5.0, 1.8, 0.8
# Of the title: inches that a character and a line take, about.
_CHARACTER, _LINE = 0.075, 0.17
_TALLEST, _FLATTEST = 1.6, 0.35
# Points of lines that an SVG holds as such: of more it would have megabytes, so they are dots there.
_MOST_POINTS = 80_000


def draw_plane(path: Path, result: PlaneResult) -> None:
    """Draws a plane.

    Args:
        path: Where to, a name that `check_pictures` let pass.
        result: What was found.

    Raises:
        OutputError: If it can't be written.
    """
    sides = (result.grid.rows - 1) / (result.grid.columns - 1)
    panels = 2 if result.jacobian else 1
    width = panels * (_PANEL + _KEY)
    title = _title(result, int(width / _CHARACTER))
    height = _HEAD + len(title) * _LINE + _PANEL * float(np.clip(sides, _FLATTEST, _TALLEST))
    with drawing(path, width, height) as figure:
        axes = figure.subplots(1, panels, squeeze=False)[0]
        _boundaries(axes[0], result)
        if result.jacobian:
            _norms(figure, axes[1], result)
        for panel in axes:
            _frame(panel, result)
        figure.suptitle("\n".join(title), fontsize=9)


def _boundaries(axes: Axes, result: PlaneResult) -> None:
    layer = result.probe
    if result.classes:
        _classes(axes, result.classes, result.grid)
    _lines(axes, layer.lines, color="#111111", alpha=strength(layer), linewidth=0.4)
    if result.classes:
        _lines(axes, result.classes.lines, color="black", linewidth=1.6)
    axes.set_title(boundaries_title(layer, result.classes))


def _classes(axes: Axes, classes: PlaneClasses, grid: PlaneGrid) -> None:
    from matplotlib.colors import to_rgb  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.patches import Patch  # noqa: PLC0415

    listed, rest = coloured(classes)
    colours = {one.index: colour for one, colour in zip(listed, CLASS_COLOURS, strict=False)}
    answers = np.array(classes.answers)
    painted = np.empty((*answers.shape, 3))
    painted[:] = to_rgb(OTHERS)
    painted[answers < 0] = to_rgb(_UNDEFINED)
    for index, colour in colours.items():
        painted[answers == index] = to_rgb(colour)
    _image(axes, painted, grid)
    key = [Patch(facecolor=colours[one.index], label=_named(one)) for one in listed]
    if rest:
        key.append(Patch(facecolor=OTHERS, label=others_name(rest)))
    axes.legend(
        handles=key,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        fontsize=8,
        handlelength=1.2,
        handleheight=1.2,
    )


def _norms(figure: Figure, axes: Axes, result: PlaneResult) -> None:
    from matplotlib.colors import LogNorm  # noqa: PLC0415

    jacobian = result.jacobian
    assert jacobian is not None
    norms = np.array(jacobian.norms, np.float64)
    axes.set_title(norms_title(jacobian))
    bounds = norm_range(norms)
    if bounds is None:
        axes.text(0.5, 0.5, "0 everywhere", transform=axes.transAxes, ha="center")
        return
    low, high = bounds
    image = _image(
        axes,
        np.clip(norms, low, None),
        jacobian.grid,
        norm=LogNorm(low, high if high > low else 2 * low),
        cmap="cividis",
    )
    bar = figure.colorbar(
        image, ax=axes, shrink=0.9, extend="min" if norms[norms > 0].min() < low else "neither"
    )
    bar.outline.set_visible(False)
    if result.classes:
        _lines(axes, result.classes.lines, color="white", linewidth=0.8)


def _image(axes: Axes, values: Any, grid: PlaneGrid, **style: Any) -> Any:
    """Values at the points of a grid, each in a square around its point."""
    half = grid.step / 2
    extent = (
        grid.x - half,
        grid.x + grid.step * (grid.columns - 1) + half,
        grid.y - half,
        grid.y + grid.step * (grid.rows - 1) + half,
    )
    return axes.imshow(values, origin="lower", extent=extent, interpolation="nearest", **style)


def _lines(axes: Axes, lines: Sequence[PlaneLine], **style: Any) -> None:
    """Lines, in a path for some of them at a time."""
    from matplotlib.patches import PathPatch  # noqa: PLC0415
    from matplotlib.path import Path as Outline  # noqa: PLC0415

    many = sum(len(line.x) for line in lines) > _MOST_POINTS
    for first in range(0, len(lines), TOGETHER):
        some = lines[first : first + TOGETHER]
        points = np.concatenate([np.stack([line.x, line.y], axis=-1) for line in some])
        codes = np.full(len(points), Outline.LINETO, Outline.code_type)
        codes[np.cumsum([0, *(len(line.x) for line in some[:-1])])] = Outline.MOVETO
        outline = PathPatch(Outline(points, codes), fill=False, joinstyle="round", **style)
        outline.set_rasterized(many)
        axes.add_patch(outline)


def _frame(axes: Axes, result: PlaneResult) -> None:
    """The three inputs, and the window without its half squares beyond the last points."""
    grid = result.grid
    for name, point in zip(POINT_NAMES, result.points, strict=True):
        axes.plot(point.x, point.y, "o", markersize=6, color="white", markeredgecolor="black", zorder=4)
        axes.annotate(
            name,
            (point.x, point.y),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=10,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            zorder=5,
        )
    axes.set_xlim(grid.x, grid.x + grid.step * (grid.columns - 1))
    axes.set_ylim(grid.y, grid.y + grid.step * (grid.rows - 1))
    axes.set_aspect("equal")
    axes.set_xlabel("distance in input space")


def _title(result: PlaneResult, width: int) -> list[str]:
    """The model and the inputs, in lines of so many characters; inputs share a line if they can."""
    points = []
    for name, point in zip(POINT_NAMES, result.points, strict=True):
        answer = _answer(point.prediction)
        points.append(f"{name}: {shorten(point.id, width - len(answer) - 3)}{answer}")
    # Not spaces alone, which SVG makes one.
    together = "  ·  ".join(points)
    return [
        f"{Path(result.model.path).name}, {result.probe.name}",
        *([together] if len(together) <= width else points),
    ]


def _answer(prediction: Prediction | None) -> str:
    if prediction is None:
        return ""
    return f" ({_cut(prediction.label or f'class {prediction.index}')})"


def _named(one: PlaneClass) -> str:
    return f"{_cut(one.label) if one.label else f'class {one.index}'}, {percent(one.share)}"


def _cut(text: str, width: int = 16) -> str:
    """Keeps the beginning of a class name."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
