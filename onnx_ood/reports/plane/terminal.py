"""Terminal report of the plane audit."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.plane.result import PlaneClasses, PlaneResult
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, duration, print_report
from onnx_ood.reports._terminal.report_tables import facts, fitted, table
from onnx_ood.reports.plane.facts import plane_facts, plane_notes
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions

_MAX_CLASSES = 6


def print_plane(console: Console, result: PlaneResult, options: ReportOptions = DEFAULTS) -> None:
    """Print classes, boundaries and norms on a plane.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    view = Marks(console)
    count = options.top or _MAX_CLASSES
    if options.verbose and result.classes:
        count = len(result.classes.found)
    drawn = ", ".join(map(str, options.charts))
    print_report(
        console,
        Answer(_headline(result), warnings=plane_notes(result), verbose=options.verbose),
        _points(console, result, view),
        _classes(result.classes, view, count) if result.classes else None,
        facts(plane_facts(result)) if options.verbose else None,
        foot=closing(
            console,
            f"drawn in {drawn}" if drawn else "see it: --html FILE or --picture FILE",
            [words.file_name(result.model.path), result.provider, duration(options.seconds)],
            more="" if options.verbose else "settings",
        ),
    )


def _headline(result: PlaneResult) -> str:
    probe, norms = result.probe, []
    if result.jacobian:
        norms = [one for row in result.jacobian.norms for one in row if one is not None]
    return ", ".join(
        [
            *([f"{len(result.classes.found)} classes in the window"] if result.classes else []),
            f"{probe.switching:,} of {words.counted(probe.looked_at, 'unit')} switch",
            *(
                [f"Jacobian norm {numbers.number(min(norms))} to {numbers.number(max(norms))}"]
                if norms
                else []
            ),
        ]
    )


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


def _classes(classes: PlaneClasses, view: Marks, count: int) -> Table:
    shown = classes.found[:count]
    rest = classes.found[count:]
    more = sum(one.share for one in rest)
    grid = table(
        "Classes in the window",
        f"and {len(rest)} others on {numbers.percent(more)} of it" if rest else None,
    )
    grid.add_column("class", no_wrap=True)
    grid.add_column("share", justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    for one in shown:
        # The scale of the mark is logarithmic, that of a share linear.
        bar = view.bar(10**one.share, 1, 10, width=20)
        grid.add_row(
            Text(one.label or str(one.index)), Text(numbers.percent(one.share)), Text(bar, style="cyan")
        )
    return grid
