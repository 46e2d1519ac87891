"""`onnx-ood doctor`."""

from __future__ import annotations

import typer

from onnx_ood import audits
from onnx_ood.reports.terminal import print_doctor

from .console import stdout
from .output import JsonFlag, print_json


def doctor(json: JsonFlag = False) -> None:
    """Show what can run on this machine, and what to type to mend the rest."""
    result = audits.doctor()
    if json:
        print_json(result)
    else:
        print_doctor(stdout(), result)
    if not result.healthy:
        raise typer.Exit(2)
