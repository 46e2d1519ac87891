"""`onnx-ood doctor`."""

from __future__ import annotations

import typer

import onnx_ood
from onnx_ood.reports.report_options import ReportOptions

from .output import HtmlFile, JsonFile, Quiet, Title, Verbose, check_outputs, write_outputs

EXAMPLES = (
    "onnx-ood doctor",
    "onnx-ood doctor --json -",
)


def doctor(
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check versions, runtimes and execution providers, with a remedy for each problem."""
    check_outputs(quiet=quiet, json=json, html=html)
    result = onnx_ood.doctor()
    write_outputs(
        result, json=json, html=html, title=title, quiet=quiet, report=ReportOptions(verbose=verbose)
    )
    if not result.healthy:
        raise typer.Exit(2)
