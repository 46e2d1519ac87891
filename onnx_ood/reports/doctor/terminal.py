"""Terminal report of the doctor audit."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.doctor.result import DoctorResult
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, print_report
from onnx_ood.reports._terminal.report_tables import facts
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.words import counted

_STYLES = {"good": "green", "note": "yellow", "bad": "bold red"}


def print_doctor(console: Console, result: DoctorResult, options: ReportOptions = DEFAULTS) -> None:
    """Print the checks of an installation, with a remedy for each problem.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    signs = Marks(console)
    grid = Table.grid(padding=(0, 2))
    for column in range(3):
        grid.add_column(no_wrap=column < 2, overflow="fold")
    symbols = {"good": signs.good, "note": signs.dot, "bad": signs.bad}
    for check in sorted(result.checks, key=lambda check: check.state != "bad"):
        style = _STYLES[check.state]
        grid.add_row(Text(symbols[check.state], style=style), check.name, Text(check.found, style=style))
        if check.remedy:
            grid.add_row("", "", Text(f"-> {check.remedy}", style="dim"))
    bad = [check.name for check in result.checks if check.state == "bad"]
    cuda = any(check.name == "cuda" and check.state == "good" for check in result.checks)
    print_report(
        console,
        Answer(f"{counted(len(bad), 'problem')}: {', '.join(bad)}", "red")
        if bad
        else Answer(f"Audits can run here, on {'CUDA' if cuda else 'the CPU'}", "green"),
        grid,
        facts([("packages", ", ".join(f"{name} {version}" for name, version in result.versions.items()))])
        if options.verbose
        else None,
        foot=closing(
            console,
            "",
            [f"onnx_ood {result.versions['onnx_ood']}", f"python {result.python}", result.platform]
            if "onnx_ood" in result.versions
            else [f"python {result.python}", result.platform],
            more="" if options.verbose else "packages",
        ),
    )
