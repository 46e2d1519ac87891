"""`onnx-ood instrument`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import model_files
from onnx_ood.exceptions import UsageError
from onnx_ood.reports.report_options import ReportOptions

from .output import HtmlFile, JsonFile, Quiet, Title, Verbose, check_outputs, file_option, write_outputs

EXAMPLES = (
    "onnx-ood instrument model.onnx --out watched.onnx --probe op:Relu",
    "onnx-ood instrument model.onnx --out nudged.onnx --probe op:Conv[-1] --site image --only-probes",
)


def instrument(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    out: Annotated[
        Path,
        file_option("--out", "-o", text="Write the rewritten model."),
    ],
    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="SELECTOR",
            help="Tensor to add as a graph output: a name, a scoped path, a glob, op:Relu, op:Conv[-3], outputs or "
            "all. Repeatable.",
            rich_help_panel="Measurement",
        ),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(
            "--site",
            metavar="SELECTOR",
            help="Tensor to nudge: a model input or an inner tensor of floats. It gets a graph input that is added to "
            "it and has no effect unless fed. Repeatable.",
            rich_help_panel="Nudge",
        ),
    ] = None,
    only_probes: Annotated[
        bool,
        typer.Option(
            "--only-probes", help="Remove everything that no probe needs.", rich_help_panel="Output"
        ),
    ] = False,
    embed: Annotated[
        bool,
        typer.Option("--embed", help="Put external weights into the file.", rich_help_panel="Output"),
    ] = False,
    json: JsonFile = None,
    html: HtmlFile = None,
    title: Title = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a copy of a model with more outputs, and inputs for nudges. The model is not run."""
    if not probe and not site:
        raise UsageError("no tensor is named; use --probe to watch one or --site to nudge one")
    check_outputs(model_files(model), quiet=quiet, out=out, json=json, html=html)
    result = onnx_ood.instrument(
        model, probes=probe or (), sites=site or (), keep_outputs=not only_probes, prune=only_probes
    )
    result.save(out, embed=embed)
    write_outputs(
        onnx_ood.InstrumentResult.of(result, out),
        json=json,
        html=html,
        title=title,
        quiet=quiet,
        report=ReportOptions(verbose=verbose),
    )
