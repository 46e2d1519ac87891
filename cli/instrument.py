"""`onnx-ood instrument`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_ood.exceptions import UsageError
from onnx_ood.graph import instrument as rewrite
from onnx_ood.reports.instrument.terminal import print_instrumented

from .console import stdout


def instrument(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="OUT", help="Where the rewritten model goes."),
    ],
    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="SELECTOR",
            help="What to hand out: a name, a scoped path, a glob, op:Relu, op:Conv[-3], outputs, all. Repeatable.",
        ),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option(
            "--site",
            metavar="SELECTOR",
            help="What to nudge: an input or a tensor of floats inside. Each gets an input that is added to it and "
            "does nothing unless it is fed. Repeatable.",
        ),
    ] = None,
    only_probes: Annotated[
        bool, typer.Option("--only-probes", help="Remove everything that no probe needs.")
    ] = False,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put external weights into the file instead of naming theirs.")
    ] = False,
) -> None:
    """Write a copy of a model that hands out more of its tensors, and takes nudges. The model is not run."""
    if not probe and not site:
        raise UsageError("nothing is named: say what to hand out (--probe) or what to nudge (--site)")
    result = rewrite(
        model, probes=probe or (), sites=site or (), keep_outputs=not only_probes, prune=only_probes
    )
    result.save(out, embed=embed)
    print_instrumented(stdout(), result, out)
