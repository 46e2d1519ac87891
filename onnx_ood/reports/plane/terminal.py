"""The plane audit on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.plane.result import PlaneClasses, PlaneResult
from onnx_ood.reports._terminal import marks
from onnx_ood.reports._terminal.layout import bullets, facts, fitted, table
from onnx_ood.reports._terminal.marks import Marks

# Classes that are listed.
_TOP = 10


def print_plane(console: Console, result: PlaneResult, pictures: Sequence[Path]) -> None:
    """Prints what a model does on a plane.

    Args:
        console: Where to.
        result: The result.
        pictures: Where it was drawn.
    """
    view = Marks(console)
    facts(console, [*plane_facts(result), ("pictures", ", ".join(map(str, pictures)))])
    console.print()
    console.print(_points(console, result, view))
    if result.classes:
        console.print()
        console.print(_classes(result.classes, view))
    if notes := plane_notes(result):
        console.print()
        bullets(console, notes, style="dim")


def plane_facts(result: PlaneResult) -> list[tuple[str, str]]:
    """What was run on what, by name; a text is empty where there is nothing to say."""
    grid, layer, jacobian = result.grid, result.probe, result.jacobian
    sample = "" if layer.looked_at == layer.units else f", a sample of the layer's {layer.units:,}"
    return [
        ("model", result.model.path),
        ("preprocessing", result.preprocessing or ""),
        ("runs on", result.provider),
        (
            "window",
            f"{_length(grid.columns, grid.step)} by {_length(grid.rows, grid.step)} in input space",
        ),
        ("grid", f"{grid.columns} by {grid.rows} points, {marks.number(grid.step)} apart"),
        ("layer", f"{layer.name} ({layer.op})"),
        ("units that switch", f"{layer.switching:,} of {layer.looked_at:,}{sample}"),
        (
            "Jacobian norm",
            ""
            if jacobian is None
            else f"of {jacobian.probe}, {jacobian.directions} directions, {jacobian.grid.columns} by "
            f"{jacobian.grid.rows} points; standard error {marks.percent(jacobian.error)}",
        ),
    ]


def plane_notes(result: PlaneResult) -> list[str]:
    """What a reader should know."""
    jacobian = result.jacobian
    return [*result.notes, *([jacobian.note] if jacobian and jacobian.note else [])]


def _length(points: int, step: float) -> str:
    return marks.number((points - 1) * step, 3)


def _points(console: Console, result: PlaneResult, view: Marks) -> Table:
    def build(_level: int, width: int) -> Table:
        grid = table("The three inputs")
        grid.add_column("", no_wrap=True)
        grid.add_column("input", no_wrap=True)
        for name in ("x", "y"):
            grid.add_column(name, justify="right", no_wrap=True)
        grid.add_column("answer", no_wrap=True)
        if result.jacobian:
            grid.add_column("Jacobian norm", no_wrap=True)
        for name, point in zip("ABC", result.points, strict=True):
            answer = point.prediction
            cells = [
                name,
                marks.shorten(point.id, width),
                marks.number(point.x, 3),
                marks.number(point.y, 3),
                "" if answer is None else answer.label or str(answer.index),
            ]
            if result.jacobian:
                error = marks.relative_error(point.jacobian, point.jacobian_error)
                cells.append(f"{marks.number(point.jacobian, 3)} {view.plus_minus} {error}")
            grid.add_row(*map(Text, cells))
        return grid

    return fitted(console, build, levels=1, longest=max(len(point.id) for point in result.points))


def _classes(classes: PlaneClasses, view: Marks) -> Table:
    shown = classes.found[:_TOP]
    rest = classes.found[_TOP:]
    more = sum(one.share for one in rest)
    grid = table(
        "Classes in the window",
        f"and {len(rest)} others on {marks.percent(more)} of it" if rest else None,
    )
    grid.add_column("class", no_wrap=True)
    grid.add_column("share", justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    for one in shown:
        # Marks have a logarithmic scale; a share of the window has not.
        bar = view.bar(10**one.share, 1, 10, width=20)
        grid.add_row(
            Text(one.label or str(one.index)), Text(marks.percent(one.share)), Text(bar, style="cyan")
        )
    return grid
