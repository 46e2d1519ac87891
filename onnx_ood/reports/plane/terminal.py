"""The plane audit on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.plane.result import PlaneClasses, PlaneResult
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.plane.facts import plane_facts, plane_notes

# Classes that are listed.
_TOP = 10


def print_plane(
    console: Console, result: PlaneResult, _top: int = 0, *, pictures: Sequence[Path] = ()
) -> None:
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
                words.shorten(point.id, width),
                numbers.number(point.x, 3),
                numbers.number(point.y, 3),
                "" if answer is None else answer.label or str(answer.index),
            ]
            if result.jacobian:
                error = numbers.relative_error(point.jacobian, point.jacobian_error)
                cells.append(f"{numbers.number(point.jacobian, 3)} {view.plus_minus} {error}")
            grid.add_row(*map(Text, cells))
        return grid

    return fitted(console, build, levels=1, longest=max(len(point.id) for point in result.points))


def _classes(classes: PlaneClasses, view: Marks) -> Table:
    shown = classes.found[:_TOP]
    rest = classes.found[_TOP:]
    more = sum(one.share for one in rest)
    grid = table(
        "Classes in the window",
        f"and {len(rest)} others on {numbers.percent(more)} of it" if rest else None,
    )
    grid.add_column("class", no_wrap=True)
    grid.add_column("share", justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    for one in shown:
        # Marks have a logarithmic scale; a share of the window has not.
        bar = view.bar(10**one.share, 1, 10, width=20)
        grid.add_row(
            Text(one.label or str(one.index)), Text(numbers.percent(one.share)), Text(bar, style="cyan")
        )
    return grid
