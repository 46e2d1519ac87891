"""`onnx-ood preprocess`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import check_writable, run_files
from onnx_ood._printable import shown
from onnx_ood.audits.preprocess.result import check_card
from onnx_ood.exceptions import NotEvaluatedError
from onnx_ood.inputs import open_inputs
from onnx_ood.reports.formats.picture import check_pictures
from onnx_ood.reports.report_options import ReportOptions

from .options import takes_options
from .output import (
    STANDARD_OUTPUT,
    HtmlFile,
    JsonFile,
    PictureFiles,
    Quiet,
    Title,
    Verbose,
    check_outputs,
    write_outputs,
)
from .progress import show_progress

EXAMPLES = (
    "onnx-ood preprocess model.onnx photos/",
    "onnx-ood preprocess model.onnx photos/ --limit 100 --write-card",
)


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
    title: Title = None,
    picture: PictureFiles = None,
    write_card: Annotated[
        bool,
        typer.Option(
            "--write-card",
            help="Write the preprocessing to a card next to the model, if it is determined.",
            rich_help_panel="Output",
        ),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    settings: onnx_ood.PreprocessSettings,
) -> None:
    """Find how a model expects its pictures to be preprocessed."""
    pictures = picture or []
    source = open_inputs(photos, name="photos")
    used = run_files(model, {"an input": source.paths})
    check_outputs(used, quiet=quiet, json=json, html=html, picture=pictures)
    check_pictures(*pictures)
    if write_card:
        check_writable(check_card(model))
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.preprocess(model, source, settings, progress=progress)
    write_outputs(
        result,
        json=json,
        html=html,
        title=title,
        pictures=pictures,
        quiet=quiet,
        report=ReportOptions(verbose=verbose),
    )
    if result.status == "not_evaluated":
        raise NotEvaluatedError("fewer than 10 photos could be read; give more")
    if write_card:
        card = result.write_card()
        if not quiet:
            typer.echo(f"Card written to {shown(str(card))}", err=json == STANDARD_OUTPUT)
