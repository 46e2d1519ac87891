"""`onnx-ood plane`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.pictures import check_pictures, draw_plane
from onnx_ood.reports.registry import print_result

from .console import stdout
from .options import takes_options
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_html, write_json
from .progress import progress_bar


@takes_options(onnx_ood.PlaneSettings)
def plane(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX file.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...",
            help="Three inputs: pictures, or arrays, of which FILE.npy[3] is row 3 (rows are counted from 0).",
        ),
    ],
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--picture", metavar="FILE", help="Draw it as .png or .svg. May be given more than once."
        ),
    ] = None,
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Quiet = False,
    *,
    settings: onnx_ood.PlaneSettings,
) -> None:
    """Show a 2-D slice, the plane through three inputs: classes, boundaries of a layer, Jacobian norms."""
    drawn = pictures or []
    check_outputs(json, html)
    check_pictures(*drawn)
    with progress_bar("running points", quiet=quiet) as progress:
        result = onnx_ood.plane(model, inputs, settings, progress=progress)
    for path in drawn:
        draw_plane(path, result)
    write_html(result, html)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_result(stdout(), result, pictures=drawn)
