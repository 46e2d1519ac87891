"""`onnx-ood show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, check_outputs, write_html


def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="What --json of any command wrote.")],
    top: Annotated[int, typer.Option(min=1, help="How many inputs to list.")] = 5,
    html: HtmlFile = None,
) -> None:
    """Show a stored result again, as the command that made it did; or, with --html, as a page."""
    check_outputs(html)
    stored = onnx_ood.read_result(result)
    if html is None:
        print_result(stdout(), stored, top)
    else:
        write_html(stored, html)
