"""Terminal report of the check audit: one line per gate, failures first, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from onnx_ood._printable import shown
from onnx_ood.audits.check.result import CheckResult, GateResult, Outcome
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import (
    LINES,
    MIN_ROWS,
    Answer,
    closing,
    duration,
    height,
    print_report,
)
from onnx_ood.reports._terminal.report_tables import facts, table
from onnx_ood.reports.check.gate_text import ordered_notes, outcome_text
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.words import counted

_STYLES: dict[Outcome, str] = {
    "error": "bold red",
    "failed": "bold red",
    "not_evaluated": "yellow",
    "passed": "green",
}
# Narrower terminals have no room for intervals.
_MIN_WIDE = 100


def print_check(console: Console, result: CheckResult, options: ReportOptions = DEFAULTS) -> None:
    """Print the outcomes of all gates.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    view = Marks(console)
    several = len(result.models) > 1
    head = Answer(
        f"{outcome_text(result.status)}: {result.summary}",
        _STYLES[result.status].removeprefix("bold "),
        map(shown, ordered_notes(result)),
        verbose=options.verbose,
    )
    explained = [_explanation(gates, several=several) for gates in _alike(result.gates)]
    explained = [one for one in explained if one is not None]
    first = [gate for gate in result.gates if gate.outcome != "passed"]
    passed = [gate for gate in result.gates if gate.outcome == "passed"]
    # Besides the rows: empty lines before each part, the two lines of the table's head, and the two of the foot.
    room = LINES - height(console, head, *explained) - len(explained) - 5
    count = len(passed) if options.verbose else options.top or max(MIN_ROWS, room - len(first))
    left_out = max(0, len(passed) - count)
    print_report(
        console,
        head,
        _gates([*first, *passed[:count]], view, console.width, several=several),
        *explained,
        facts((shown(name), shown(value)) for name, value in _models(result)) if options.verbose else None,
        foot=closing(
            console,
            f"{left_out} more passed: -v, or --html report.html" if left_out else "",
            [
                result.file,
                f"baseline {result.baseline}" if result.baseline else "",
                counted(len(result.models), "model"),
                duration(options.seconds),
            ],
            more="" if options.verbose else "models",
        ),
    )


def _models(result: CheckResult) -> list[tuple[str, str]]:
    return [(f"model {one.name}", f"{one.path}, {_ran(one.provider)}") for one in result.models]


def _ran(provider: str | None) -> str:
    return f"ran on {provider}" if provider else "not run"


def _gates(gates: Sequence[GateResult], view: Marks, width: int, *, several: bool) -> Table:
    grid = table()
    for name in ("", "gate", *(["model"] if several else []), "expected"):
        grid.add_column(name, overflow="fold")
    grid.columns[0].no_wrap = True
    grid.add_column("found", justify="right", no_wrap=True)
    wide = width >= _MIN_WIDE
    if wide:
        grid.add_column("95% interval", justify="right", no_wrap=True)
        grid.add_column("inputs", justify="right", no_wrap=True)
    for gate in gates:
        cells = [
            Text(f"{_mark(gate.outcome, view)} {outcome_text(gate.outcome)}", style=_STYLES[gate.outcome]),
            *map(_plain, (gate.title, *([gate.model] if several else []), gate.expected, gate.shown)),
        ]
        if wide:
            cells += [Text(gate.interval, style="dim"), Text(f"{gate.inputs:,}" if gate.inputs else "")]
        grid.add_row(*cells)
    return grid


def _plain(text: str) -> Text:
    """Text without control characters: names in a model are untrusted."""
    return Text(shown(text))


def _mark(outcome: Outcome, view: Marks) -> str:
    return {"error": "!", "failed": view.bad, "not_evaluated": "?", "passed": view.good}[outcome]


def _alike(gates: Iterable[GateResult]) -> list[list[GateResult]]:
    """Group gates that ended in the same error of one model."""
    groups: dict[object, list[GateResult]] = {}
    for number, gate in enumerate(gates):
        same = (gate.model, gate.reason, gate.advice, gate.notes)
        groups.setdefault(same if gate.outcome == "error" else number, []).append(gate)
    return list(groups.values())


def _explanation(gates: Sequence[GateResult], *, several: bool) -> Group | None:
    """Make the reason, the advice and the notes of gates; None for a passed gate without notes."""
    gate = gates[0]
    if gate.outcome == "passed" and not gate.notes:
        return None
    name = ", ".join(one.title for one in gates) + (f" of {gate.model}" if several else "")
    place = f"line{'s' * (len(gates) > 1)} {', '.join(str(one.line) for one in gates)}"
    lines = [
        ("why", gate.reason),
        ("interval", f"{gate.interval}, {gate.inputs} inputs" if gate.interval else ""),
        ("try", gate.advice),
        *(("note", note) for note in gate.notes),
    ]
    return Group(
        Text(shown(f"{name} ({place})"), style=_STYLES[gate.outcome]),
        facts((f"  {name}", shown(text)) for name, text in lines),
    )
