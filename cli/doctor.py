"""`onnx-ood doctor`."""

from __future__ import annotations

import typer

import onnx_ood
from onnx_ood.reports.registry import print_result

from .console import stdout
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_html, write_json


def doctor(json: JsonFile = None, html: HtmlFile = None, quiet: Quiet = False) -> None:
    """Check versions, runtimes and execution providers, with a remedy for each problem."""
    check_outputs(json, html)
    result = onnx_ood.doctor()
    write_html(result, html)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_result(stdout(), result)
    if not result.healthy:
        raise typer.Exit(2)
