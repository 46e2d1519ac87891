"""`onnx-ood inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_ood import audits
from onnx_ood.reports.terminal import print_inspect

from .console import stdout
from .output import JsonFile, check_outputs, write_json


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    json: JsonFile = None,
) -> None:
    """Show what is in a model file and where to watch it. The model is not run."""
    check_outputs(json)
    result = audits.inspect(model)
    if not write_json(result, json):
        print_inspect(stdout(), result)
