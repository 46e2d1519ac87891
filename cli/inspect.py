"""`onnx-ood inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import model_files
from onnx_ood.reports.report_options import ReportOptions

from .optional_values import OptionalValue
from .output import HtmlFile, JsonFile, Quiet, Title, Verbose, check_outputs, write_outputs

EXAMPLES = (
    "onnx-ood inspect model.onnx",
    "onnx-ood inspect model.onnx --json -",
)
OPTIONAL_VALUES = {"--tensors": OptionalValue("*", lambda word: not word.lower().endswith(".onnx"))}


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    tensors: Annotated[
        str | None,
        typer.Option(
            "--tensors",
            metavar="[GLOB]",
            help="List the tensors whose name matches, in place of the suggested probes; without GLOB, all.",
            rich_help_panel="Output",
        ),
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the contents of a model file and suggest probes. The model is not run."""
    check_outputs(model_files(model), quiet=quiet, json=json, html=html)
    result = onnx_ood.inspect(model, tensors=tensors)
    write_outputs(
        result, json=json, html=html, title=title, quiet=quiet, report=ReportOptions(verbose=verbose)
    )
