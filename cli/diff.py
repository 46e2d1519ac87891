"""`onnx-ood diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_html, write_json


def diff(
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="Result of score, bench, sensitivity or check, stored by --json."),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Result of another run of the same audit.")],
    top: Annotated[
        int,
        typer.Option(
            min=1, help="Inputs to list, those with the largest changes first.", rich_help_panel="Output"
        ),
    ] = 5,
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Quiet = False,
) -> None:
    """Compare two stored results: changed outcomes of gates, settings, and metrics beyond noise."""
    check_outputs(json, html)
    result = onnx_ood.diff(a, b)
    write_html(result, html)
    if not write_json(result, json) and not quiet:
        print_result(stdout(), result, top)
