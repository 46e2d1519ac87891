"""`onnx-ood diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFile, check_outputs, write_html, write_json


def diff(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="What --json of score, bench, sensitivity or check wrote.")
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same of another run.")],
    top: Annotated[int, typer.Option(min=1, help="How many inputs to list.")] = 5,
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Show how two stored results differ: gates that end otherwise, settings, and figures that moved beyond noise."""
    check_outputs(json, html)
    result = onnx_ood.diff(a, b)
    write_html(result, html)
    if not write_json(result, json):
        print_result(stdout(), result, top)
