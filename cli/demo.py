"""`onnx-ood demo`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFile, check_outputs, write_html, write_json
from .progress import progress_bar


def demo(
    provider: Annotated[
        Literal["auto", "cuda", "cpu"], typer.Option(help="Execution provider.", rich_help_panel="Run")
    ] = "auto",
    json: JsonFile = None,
    html: HtmlFile = None,
) -> None:
    """Score the bundled photos and altered versions of them, and say what that told apart and what not."""
    check_outputs(json, html)
    with progress_bar("measuring", quiet=False) as progress:
        result = onnx_ood.demo(provider, progress)
    write_html(result, html)
    if not write_json(result, json):
        print_result(stdout(), result)
