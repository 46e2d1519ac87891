"""`onnx-ood preprocess`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.exceptions import NotEvaluatedError
from onnx_ood.reports.registry import print_result

from .console import stdout
from .options import takes_options
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_html, write_json
from .progress import progress_bar


@takes_options(onnx_ood.PreprocessSettings)
def preprocess(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS...",
            help="In-distribution pictures of several classes: files, folders or globs.",
        ),
    ],
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Quiet = False,
    *,
    settings: onnx_ood.PreprocessSettings,
) -> None:
    """Find how a model expects its pictures to be preprocessed."""
    check_outputs(json, html)
    with progress_bar("trying", quiet=quiet) as progress:
        result = onnx_ood.preprocess(model, photos, settings, progress=progress)
    write_html(result, html)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_result(stdout(), result, top=5)
    if result.status == "not_evaluated":
        raise NotEvaluatedError("fewer than 10 photos could be read; give more")
