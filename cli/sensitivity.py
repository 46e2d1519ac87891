"""`onnx-ood sensitivity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.reports.pictures import check_pictures, draw_sensitivity
from onnx_ood.reports.registry import print_result

from .console import stdout
from .options import takes_options
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_html, write_json
from .progress import progress_bar


@takes_options(onnx_ood.SensitivitySettings)
def sensitivity(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... INPUTS...",
            help="ONNX files (what ends in .onnx), and pictures, .npy or .npz arrays, folders or globs.",
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many inputs and trajectories to list.")] = 5,
    json: JsonFile = None,
    html: HtmlFile = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw densities along trajectories, and all norms, as .png or .svg; needs matplotlib.",
        ),
    ] = None,
    quiet: Quiet = False,
    *,
    settings: onnx_ood.SensitivitySettings,
) -> None:
    """Measure how stable models are: Jacobian norms, and how many units switch along trajectories.

    Of several models it also says which is the most stable.
    """
    models = [Path(name) for name in paths if name.lower().endswith(".onnx")]
    inputs = [name for name in paths if not name.lower().endswith(".onnx")]
    if not models:
        raise UsageError("no model is named: give at least one file that ends in .onnx")
    if not inputs:
        raise UsageError("no inputs are named: give pictures, arrays, folders or globs behind the models")
    check_outputs(json, html)
    check_pictures(picture)
    with progress_bar("measuring", quiet=quiet) as progress:
        result = onnx_ood.sensitivity(models, inputs, settings, progress=progress)
    write_html(result, html)
    printed = write_json(result, json)
    if picture is not None:
        draw_sensitivity(result, picture)
    if not quiet and not printed:
        print_result(stdout(), result, top)
    if result.status == "not_evaluated":
        raise NotEvaluatedError("fewer than half of the inputs of a model could be measured")
