"""`onnx-ood show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_ood import audits
from onnx_ood.reports.terminal import print_result

from .console import stdout


def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="What --json of any command wrote.")],
    top: Annotated[int, typer.Option(min=1, help="How many inputs to list.")] = 5,
) -> None:
    """Show a stored result again, as the command that made it did."""
    print_result(stdout(), audits.read_result(result), top)
