"""`onnx-ood demo`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

import onnx_ood
from onnx_ood.reports.report_options import ReportOptions

from .output import HtmlFile, JsonFile, Quiet, Title, Verbose, check_outputs, write_outputs
from .progress import show_progress

EXAMPLES = (
    "onnx-ood demo",
    "onnx-ood demo --html report.html",
)


def demo(
    provider: Annotated[
        Literal["auto", "cuda", "cpu"], typer.Option(help="Execution provider.", rich_help_panel="Run")
    ] = "auto",
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score bundled photos and altered versions of them, and report which alterations are detected."""
    check_outputs(quiet=quiet, json=json, html=html)
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.demo(provider, progress)
    write_outputs(
        result, json=json, html=html, title=title, quiet=quiet, report=ReportOptions(verbose=verbose)
    )
