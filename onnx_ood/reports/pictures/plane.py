"""The plane audit as a picture: classes with boundaries, and the Jacobian norm, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnx_ood.audits.plane_result import PlaneClass, PlaneClasses, PlaneGrid, PlaneLine, PlaneResult
from onnx_ood.audits.score_result import Prediction
from onnx_ood.reports.pictures.canvas import drawing
from onnx_ood.reports.terminal.marks import percent, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# P. Tol's light qualitative colours, which people who are colour-blind tell apart under dark lines, and a violet.
_COLOURS = (
    "#77aadd",
    "#eedd88",
    "#44bb99",
    "#ffaabb",
    "#99ddff",
    "#ee8866",
    "#bbcc33",
    "#c5b0d5",
    "#aaaa00",
)
_OTHERS = "#dddddd"
_UNDEFINED = "#ffffff"
# Width of a panel, and the room beside and above it, in inches.
_PANEL, _KEY, _HEAD = 5.0, 1.7, 1.0
_TALLEST, _FLATTEST = 1.6, 0.35
# Lines are as faint as they are many.
_FAINTEST, _DARKEST = 0.4, 0.9
_NAMES = "ABC"
_LONGEST = 44


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
    with drawing(path, width, _HEAD + _PANEL * float(np.clip(sides, _FLATTEST, _TALLEST))) as figure:
        axes = figure.subplots(1, panels, squeeze=False)[0]
        _boundaries(axes[0], result)
        if result.jacobian:
            _norms(figure, axes[1], result)
        for panel in axes:
            _frame(panel, result)
        figure.suptitle(_title(result), fontsize=9)


def _boundaries(axes: Axes, result: PlaneResult) -> None:
    layer = result.layer
    if result.classes:
        _classes(axes, result.classes, result.grid)
    darkness = _DARKEST / max(1.0, np.sqrt(layer.switching) / 8)
    _lines(axes, layer.lines, color="#222222", alpha=max(_FAINTEST, darkness), linewidth=0.35)
    if result.classes:
        _lines(axes, result.classes.lines, color="black", linewidth=1.6)
    of = "" if layer.looked_at == layer.units else f"a sample of {layer.looked_at:,} of "
    axes.set_title(
        f"{'classes, and ' if result.classes else ''}boundaries of {of}{layer.units:,} {layer.op} units"
    )


def _classes(axes: Axes, classes: PlaneClasses, grid: PlaneGrid) -> None:
    from matplotlib.colors import to_rgb  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.patches import Patch  # noqa: PLC0415

    listed = classes.found[: len(_COLOURS)]
    rest = classes.found[len(_COLOURS) :]
    colours = {one.index: colour for one, colour in zip(listed, _COLOURS, strict=False)}
    answers = np.array(classes.answers)
    painted = np.empty((*answers.shape, 3))
    painted[:] = to_rgb(_OTHERS)
    painted[answers < 0] = to_rgb(_UNDEFINED)
    for index, colour in colours.items():
        painted[answers == index] = to_rgb(colour)
    _image(axes, painted, grid)
    key = [Patch(facecolor=colours[one.index], label=_named(one)) for one in listed]
    if rest:
        share = percent(sum(one.share for one in rest))
        key.append(Patch(facecolor=_OTHERS, label=f"{len(rest)} others, {share}"))
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
    positive = norms[np.isfinite(norms) & (norms > 0)]
    title = f"norm of the Jacobian of {jacobian.of}"
    axes.set_title(title.replace("'", ""))
    if not positive.size:
        axes.text(0.5, 0.5, "0 everywhere", transform=axes.transAxes, ha="center")
        return
    # A saturated softmax is flat to dozens of decimal places; four show where it is steep.
    high = positive.max()
    low = max(positive.min(), 1e-4 * high)
    image = _image(
        axes,
        np.clip(norms, low, None),
        jacobian.grid,
        norm=LogNorm(low, high if high > low else 2 * low),
        cmap="cividis",
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.9, extend="min" if positive.min() < low else "neither")
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
    """All lines as one path: a file of a path each would be several times as large."""
    from matplotlib.patches import PathPatch  # noqa: PLC0415
    from matplotlib.path import Path as Outline  # noqa: PLC0415

    if not lines:
        return
    points = np.concatenate([np.stack([line.x, line.y], axis=-1) for line in lines])
    codes = np.full(len(points), Outline.LINETO, Outline.code_type)
    codes[np.cumsum([0, *(len(line.x) for line in lines[:-1])])] = Outline.MOVETO
    axes.add_patch(PathPatch(Outline(points, codes), fill=False, joinstyle="round", capstyle="butt", **style))


def _frame(axes: Axes, result: PlaneResult) -> None:
    """The three inputs, and the window without its half squares beyond the last points."""
    grid = result.grid
    for name, point in zip(_NAMES, result.points, strict=True):
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


def _title(result: PlaneResult) -> str:
    points = [
        f"{name}: {shorten(point.id, _LONGEST)}{_answer(point.prediction)}"
        for name, point in zip(_NAMES, result.points, strict=True)
    ]
    # Not spaces alone, which SVG makes one.
    return f"{Path(result.model.path).name}, {result.layer.name}\n{'  ·  '.join(points)}"


def _answer(prediction: Prediction | None) -> str:
    if prediction is None:
        return ""
    return f" ({_cut(prediction.label or f'class {prediction.index}')})"


def _named(one: PlaneClass) -> str:
    return f"{_cut(one.label) if one.label else f'class {one.index}'}, {percent(one.share)}"


def _cut(text: str, width: int = 18) -> str:
    """Keeps the beginning of a class name."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
