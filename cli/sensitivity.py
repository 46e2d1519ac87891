"""`onnx-ood sensitivity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.reports.pictures import check_pictures, draw_sensitivity
from onnx_ood.reports.printing import print_sensitivity

from .console import stdout
from .feeds import read_feeds
from .options import Provider
from .output import HtmlFile, JsonFile, check_outputs, write_html, write_json
from .progress import progress_bar

_DEFAULTS = onnx_ood.SensitivitySettings()


def sensitivity(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... INPUTS...",
            help="ONNX files (what ends in .onnx), and pictures, .npy or .npz arrays, folders or globs.",
        ),
    ],
    of: Annotated[
        str | None,
        typer.Option(
            metavar="SELECTOR",
            help="The tensor whose Jacobian norm is measured: a name, op:Gemm[-1]. Default: the softmax of the model's "
            "output.",
        ),
    ] = None,
    directions: Annotated[
        int, typer.Option(help="Directions along which each Jacobian norm is estimated.")
    ] = _DEFAULTS.directions,
    trajectories: Annotated[
        int, typer.Option(help="Trajectories of each kind; 0 for none.")
    ] = _DEFAULTS.trajectories,
    tolerance: Annotated[
        float, typer.Option(help="Share of a trajectory's transitions that may be left to find.")
    ] = _DEFAULTS.tolerance,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Choose ellipses by these classes: a CSV with the columns input,class. Default: the model's answers.",
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Also find all boundaries of linear regions between inputs, in float64: piecewise-linear networks "
            "only.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = _DEFAULTS.seed,
    preprocess: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="How pictures become tensors, as for onnx-ood score."),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The tensor to derive by and to vary: a model input, or one inside."
        ),
    ] = None,
    feed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="The value of another model input, the same for all inputs, as for onnx-ood score. Repeatable.",
        ),
    ] = None,
    provider: Provider = _DEFAULTS.provider,
    batch_size: Annotated[
        int | None, typer.Option(help="Points in one run. Default: what memory allows.")
    ] = None,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report.")] = False,
) -> None:
    """Measure how stable models are: Jacobian norms, and how many units switch along trajectories.

    Of several models it also says which is the most stable.
    """
    models = [Path(name) for name in named if name.lower().endswith(".onnx")]
    inputs = [name for name in named if not name.lower().endswith(".onnx")]
    if not models:
        raise UsageError("no model is named: give at least one file that ends in .onnx")
    if not inputs:
        raise UsageError("no inputs are named: give pictures, arrays, folders or globs behind the models")
    settings = onnx_ood.SensitivitySettings(
        of=of,
        directions=directions,
        trajectories=trajectories,
        tolerance=tolerance,
        classes=classes,
        exact=exact,
        seed=seed,
        preprocessing=preprocess,
        site=site,
        feeds=read_feeds(feed or ()),
        provider=provider,
        batch_size=batch_size,
    )
    check_outputs(json, html)
    check_pictures(picture)
    with progress_bar("measuring", quiet=quiet) as progress:
        result = onnx_ood.sensitivity(models, inputs, settings, progress=progress)
    write_html(result, html)
    printed = write_json(result, json)
    if picture is not None:
        draw_sensitivity(result, picture)
    if not quiet and not printed:
        print_sensitivity(stdout(), result, top)
    if result.status == "not evaluated":
        raise NotEvaluatedError("fewer than half of the inputs of a model could be measured")
