"""`onnx-ood doctor`."""

from __future__ import annotations

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFlag, check_outputs, print_json, write_html


def doctor(json: JsonFlag = False, html: HtmlFile = None) -> None:
    """Show what can run on this machine, and what to type to mend the rest."""
    check_outputs(html)
    result = onnx_ood.doctor()
    write_html(result, html)
    if json:
        print_json(result)
    else:
        print_result(stdout(), result)
    if not result.healthy:
        raise typer.Exit(2)
