"""`onnx-ood sensitivity`."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import run_files
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.inputs import open_inputs
from onnx_ood.reports.formats.picture import check_pictures
from onnx_ood.reports.report_options import ReportOptions

from .options import takes_options
from .output import HtmlFile, JsonFile, PictureFiles, Quiet, Title, Top, Verbose, check_outputs, write_outputs
from .progress import show_progress

EXAMPLES = (
    "onnx-ood sensitivity model.onnx photos/",
    "onnx-ood sensitivity a.onnx b.onnx photos/ --trajectories 8 --html report.html",
)


@takes_options(onnx_ood.SensitivitySettings)
def sensitivity(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... INPUTS...",
            help="ONNX files (names that end in .onnx), and pictures, .npy or .npz arrays, folders or globs.",
        ),
    ],
    top: Top = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    picture: PictureFiles = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    settings: onnx_ood.SensitivitySettings,
) -> None:
    """Measure the stability of models: Jacobian norms, and changes of activation pattern along trajectories.

    Several models are also ranked.
    """
    models = [Path(name) for name in paths if name.lower().endswith(".onnx")]
    inputs = [name for name in paths if not name.lower().endswith(".onnx")]
    if not models:
        raise UsageError("no model given: name at least one file that ends in .onnx")
    if not inputs:
        raise UsageError("no inputs given: name pictures, arrays, folders or globs after the models")
    source = open_inputs(inputs, stdin=sys.stdin)
    used = chain.from_iterable(
        run_files(model, {"an input": source.paths}, settings.feeds) for model in models
    )
    check_outputs(used, quiet=quiet, json=json, html=html, picture=picture)
    check_pictures(*(picture or ()))
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.sensitivity(models, source, settings, progress=progress)
    report = ReportOptions(top=top, verbose=verbose)
    write_outputs(
        result, json=json, html=html, title=title, pictures=picture or (), quiet=quiet, report=report
    )
    if result.status == "not_evaluated":
        raise NotEvaluatedError("fewer than half of the inputs of a model could be measured")
