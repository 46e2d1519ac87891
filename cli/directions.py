"""`onnx-ood directions`."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import run_files
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.inputs import open_inputs
from onnx_ood.reports import words
from onnx_ood.reports.formats.picture import check_pictures
from onnx_ood.reports.report_options import ReportOptions

from .options import takes_options
from .output import HtmlFile, JsonFile, PictureFiles, Quiet, Title, Verbose, check_outputs, write_outputs
from .progress import show_progress
from .sets import IdInputs, OodSets, read_sets

EXAMPLES = (
    "onnx-ood directions model.onnx --id photos/ --ood textures=textures/",
    "onnx-ood directions model.onnx --id photos/ --ood textures=textures/ --html report.html",
)


@takes_options(onnx_ood.DirectionsSettings)
def directions(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    id_inputs: IdInputs = None,
    ood_sets: OodSets = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    picture: PictureFiles = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    settings: onnx_ood.DirectionsSettings,
) -> None:
    """Measure where a smaller cosine drop means out-of-distribution, and where the direction flips, on one model.

    Covers layers, nudge scales, noise distributions and numbers of copies.
    """
    if not id_inputs:
        raise UsageError("no in-distribution inputs given: use --id PATH")
    pictures = picture or []
    sets = read_sets(ood_sets or [])
    given = open_inputs([*id_inputs, *chain.from_iterable(sets.values())])
    used = run_files(model, {"an input": given.paths}, settings.feeds)
    check_outputs(used, quiet=quiet, json=json, html=html, picture=pictures)
    check_pictures(*pictures)
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.directions(model, id_inputs, sets, settings, progress=progress)
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
        sizes = ((one.name, one.inputs) for one in result.sets)
        raise NotEvaluatedError(f"not evaluated: {words.too_few(result.id, sizes)}")
