"""`onnx-ood plane`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports.pictures import check_pictures, draw_plane
from onnx_ood.reports.printing import print_plane

from .console import stdout
from .options import Provider
from .output import HtmlFile, JsonFile, check_outputs, write_html, write_json
from .progress import progress_bar

_DEFAULTS = onnx_ood.PlaneSettings()


def plane(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX file.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...",
            help="Three inputs: pictures, or arrays, of which FILE.npy[3] is row 3 (rows are counted from 0).",
        ),
    ],
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="SELECTOR",
            help="The activation function whose boundaries are drawn, by its output: a name, or op:Relu[-1]. "
            "Default: the last that is piecewise linear.",
        ),
    ] = None,
    units: Annotated[
        int, typer.Option(help="Units of it whose boundaries are drawn; of more a random sample.")
    ] = _DEFAULTS.units,
    resolution: Annotated[
        int, typer.Option(help="Points along the longer side; the Jacobian norm has a quarter of them.")
    ] = _DEFAULTS.resolution,
    extent: Annotated[
        float, typer.Option(help="How far to go beyond the three inputs, as a share of the box around them.")
    ] = _DEFAULTS.extent,
    directions: Annotated[
        int, typer.Option(help="Directions along which each Jacobian norm is estimated; 0 for no norms.")
    ] = _DEFAULTS.directions,
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            "--picture", metavar="FILE", help="Draw it as .png or .svg. May be given more than once."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn at random.")] = _DEFAULTS.seed,
    preprocess: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="How pictures become tensors, as for onnx-ood score."),
    ] = None,
    provider: Provider = _DEFAULTS.provider,
    json: JsonFile = None,
    html: HtmlFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report.")] = False,
) -> None:
    """Show a 2-D slice, the plane through three inputs: classes, boundaries of a layer, Jacobian norms."""
    settings = onnx_ood.PlaneSettings(
        layer=layer,
        units=units,
        resolution=resolution,
        extent=extent,
        directions=directions,
        seed=seed,
        preprocessing=preprocess,
        provider=provider,
    )
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
        print_plane(stdout(), result, drawn)
