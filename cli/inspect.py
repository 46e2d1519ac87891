"""`onnx-ood inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFlag, check_outputs, print_json, write_html


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    json: JsonFlag = False,
    html: HtmlFile = None,
) -> None:
    """Show what is in a model file and where to watch it. The model is not run."""
    check_outputs(html)
    result = onnx_ood.inspect(model)
    write_html(result, html)
    if json:
        print_json(result)
    else:
        print_result(stdout(), result)
