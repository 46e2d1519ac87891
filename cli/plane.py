"""`onnx-ood plane`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import run_files
from onnx_ood.inputs import open_inputs
from onnx_ood.reports.formats.picture import check_pictures
from onnx_ood.reports.report_options import ReportOptions

from .options import takes_options
from .output import HtmlFile, JsonFile, PictureFiles, Quiet, Title, Verbose, check_outputs, write_outputs
from .progress import show_progress

EXAMPLES = (
    "onnx-ood plane model.onnx a.png b.png c.png --html report.html",
    "onnx-ood plane model.onnx x.npy[0] x.npy[7] x.npy[9] --probe op:Relu[-1] --picture plane.svg",
)


@takes_options(onnx_ood.PlaneSettings)
def plane(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...",
            help="Three inputs: pictures or arrays; FILE.npy[3] is row 3 (rows are counted from 0).",
        ),
    ],
    picture: PictureFiles = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    settings: onnx_ood.PlaneSettings,
) -> None:
    """Show classes, boundaries of units and Jacobian norms on the plane through three inputs."""
    pictures = picture or []
    source = open_inputs(inputs, stdin=sys.stdin)
    used = run_files(model, {"an input": source.paths}, settings.feeds)
    check_outputs(used, quiet=quiet, json=json, html=html, picture=pictures)
    check_pictures(*pictures)
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.plane(model, source, settings, progress=progress)
    write_outputs(
        result,
        json=json,
        html=html,
        title=title,
        pictures=pictures,
        quiet=quiet,
        report=ReportOptions(charts=tuple(pictures), verbose=verbose),
    )
