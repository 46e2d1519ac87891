"""`onnx-ood diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.audits.diff.result import MATCHED
from onnx_ood.exceptions import NotEvaluatedError
from onnx_ood.reports.report_options import ReportOptions

from .output import HtmlFile, JsonFile, Quiet, Title, Top, Verbose, check_outputs, write_outputs

EXAMPLES = (
    "onnx-ood diff before.json after.json",
    "onnx-ood diff before.json after.json --html report.html",
)


def diff(
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="Result of score, bench, sensitivity or check, stored by --json."),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Result of another run of the same audit.")],
    top: Top = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare two stored results: changed outcomes of gates, settings, and metrics beyond noise."""
    check_outputs([("an input", a), ("an input", b)], quiet=quiet, json=json, html=html)
    result = onnx_ood.diff(a, b)
    write_outputs(
        result, json=json, html=html, title=title, quiet=quiet, report=ReportOptions(top=top, verbose=verbose)
    )
    if result.status == "not_evaluated":
        raise NotEvaluatedError(f"not evaluated: no {MATCHED[result.audit]} in common")
