"""The doctor audit on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.doctor.result import DoctorResult
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import facts

_STYLES = {"good": "green", "note": "yellow", "bad": "bold red"}


def print_doctor(console: Console, result: DoctorResult, _top: int = 0) -> None:
    """Prints what can run on this machine.

    Args:
        console: Where to.
        result: The checks.
    """
    signs = Marks(console)
    facts(
        console,
        [
            ("python", f"{result.python} on {result.platform}"),
            ("packages", ", ".join(f"{name} {version}" for name, version in result.versions.items())),
        ],
    )
    console.print()
    grid = Table.grid(padding=(0, 2))
    for column in range(3):
        grid.add_column(no_wrap=column < 2, overflow="fold")
    symbols = {"good": signs.good, "note": signs.dot, "bad": signs.bad}
    for check in result.checks:
        style = _STYLES[check.state]
        grid.add_row(Text(symbols[check.state], style=style), check.name, Text(check.found, style=style))
        if check.remedy:
            grid.add_row("", "", Text(f"-> {check.remedy}", style="dim"))
    console.print(grid)
