"""`onnx-ood show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFile, Quiet, Top, check_outputs, write_html, write_json


def show(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Stored result: a file that --json of a command wrote.")
    ],
    top: Top = 5,
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Quiet = False,
) -> None:
    """Show a stored result as the command that made it did, or as a page (--html)."""
    check_outputs(json, html)
    stored = onnx_ood.read_result(result)
    write_html(stored, html)
    printed = write_json(stored, json)
    if html is None and not quiet and not printed:
        print_result(stdout(), stored, top)
