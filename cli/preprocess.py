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
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS...",
            help="Pictures of the kind that the model is made for, of several classes: files, folders, globs.",
        ),
    ],
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Quiet = False,
    *,
    settings: onnx_ood.PreprocessSettings,
) -> None:
    """Find out how a model wants its pictures preprocessed, or say that it can't be told."""
    check_outputs(json, html)
    with progress_bar("trying", quiet=quiet) as progress:
        result = onnx_ood.preprocess(model, photos, settings, progress=progress)
    write_html(result, html)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_result(stdout(), result, top=5)
    if result.status == "not_evaluated":
        raise NotEvaluatedError("there are fewer than 10 photos; give more")
