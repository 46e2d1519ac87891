"""`onnx-ood doctor`."""

from __future__ import annotations

import typer

from onnx_ood import audits
from onnx_ood.reports.terminal import print_doctor

from .console import stdout
from .output import JsonFile, check_outputs, write_json


def doctor(json: JsonFile = None) -> None:
    """Show what can run on this machine, and what to type to mend the rest."""
    check_outputs(json)
    result = audits.doctor()
    if not write_json(result, json):
        print_doctor(stdout(), result)
    if not result.healthy:
        raise typer.Exit(2)
