"""Terminal report of the check audit: one line per gate, failures first, and what to do about them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.check.result import CheckResult, GateResult, Outcome
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import bullets, facts, table
from onnx_ood.reports.check.gate_text import outcome_text, printable

_STYLES: dict[Outcome, str] = {
    "error": "bold red",
    "failed": "bold red",
    "not_evaluated": "yellow",
    "passed": "green",
}
# Narrower terminals have no room for intervals.
_MIN_WIDE = 100


def print_check(console: Console, result: CheckResult, _top: int = 0) -> None:
    """Print the outcomes of all gates.

    Args:
        console: Console to print to.
        result: The result.
    """
    view = Marks(console)
    facts(
        console,
        [
            ("file", result.file),
            ("baseline", result.baseline or ""),
            *(
                (printable(f"model {one.name}"), printable(f"{one.path}, {_ran(one.provider)}"))
                for one in result.models
            ),
        ],
    )
    console.print()
    several = len(result.models) > 1
    console.print(_gates(result.gates, view, console.width, several=several))
    console.print()
    for gate in result.gates:
        _explain(console, gate, several=several)
    notes = [*result.notes, *(f"{one.name}: {note}" for one in result.models for note in one.notes)]
    if notes:
        bullets(console, map(printable, notes), style="dim")
        console.print()
    console.print(Text(f"{outcome_text(result.status)}: {result.summary}", style=_STYLES[result.status]))


def _ran(provider: str | None) -> str:
    return f"ran on {provider}" if provider else "not run"


def _gates(gates: Sequence[GateResult], view: Marks, width: int, *, several: bool) -> Table:
    grid = table("Gates")
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
    return Text(printable(text))


def _mark(outcome: Outcome, view: Marks) -> str:
    return {"error": "!", "failed": view.bad, "not_evaluated": "?", "passed": view.good}[outcome]


def _explain(console: Console, gate: GateResult, *, several: bool) -> None:
    """Print the reason, the advice and the notes of a gate."""
    if gate.outcome == "passed" and not gate.notes:
        return
    name = f"{gate.title} of {gate.model}" if several else gate.title
    console.print(Text(printable(f"{name} (line {gate.line})"), style=_STYLES[gate.outcome]))
    lines = [
        ("why", gate.reason),
        ("interval", f"{gate.interval}, {gate.inputs} inputs" if gate.interval else ""),
        ("try", gate.advice),
        *(("note", note) for note in gate.notes),
    ]
    facts(console, [(f"  {name}", printable(text)) for name, text in lines])
    console.print()
