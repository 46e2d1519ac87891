"""`onnx-ood show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.formats.picture import check_pictures
from onnx_ood.reports.report_options import ReportOptions

from .output import (
    All,
    HtmlFile,
    JsonFile,
    PictureFiles,
    Quiet,
    Title,
    Top,
    Verbose,
    check_outputs,
    write_outputs,
)

EXAMPLES = (
    "onnx-ood show result.json --top 20",
    "onnx-ood show result.json --html report.html",
)


def show(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Stored result: a file that --json of a command wrote.")
    ],
    top: Top = None,
    everything: All = False,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    picture: PictureFiles = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show a stored result as the command that made it did, or as a page (--html) or a picture (--picture)."""
    pictures = picture or []
    quiet = quiet or html is not None or bool(pictures)
    check_outputs([("an input", result)], quiet=quiet, json=json, html=html, picture=pictures)
    check_pictures(*pictures)
    stored = onnx_ood.read_result(result)
    write_outputs(
        stored,
        json=json,
        html=html,
        title=title,
        pictures=pictures,
        quiet=quiet,
        name_failed=False,
        report=ReportOptions(top=top, everything=everything, verbose=verbose),
    )
