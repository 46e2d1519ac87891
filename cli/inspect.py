"""`onnx-ood inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_html, write_json


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Quiet = False,
) -> None:
    """List the contents of a model file and suggest probes. The model is not run."""
    check_outputs(json, html)
    result = onnx_ood.inspect(model)
    write_html(result, html)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_result(stdout(), result)
