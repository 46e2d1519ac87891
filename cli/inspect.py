"""`onnx-ood inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_ood import audits
from onnx_ood.reports.terminal import print_inspect

from .console import stdout
from .output import JsonFlag, print_json


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    json: JsonFlag = False,
) -> None:
    """Show what is in a model file and where to watch it. The model is not run."""
    result = audits.inspect(model)
    if json:
        print_json(result)
    else:
        print_inspect(stdout(), result)
