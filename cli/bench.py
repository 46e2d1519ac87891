"""`onnx-ood bench`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from onnx_ood import audits
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.reports.bench_tables import to_csv_table, to_latex, to_markdown
from onnx_ood.reports.files import write_text
from onnx_ood.reports.terminal import print_bench

from .console import stdout
from .directions import directions as bench_directions
from .directions import read_scales
from .names import read_names
from .output import JsonFile, check_outputs, write_json
from .progress import progress_bar

_DEFAULTS = audits.BenchSettings()


def bench(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    ordinary: Annotated[
        list[str],
        typer.Option(
            "--id", metavar="PATH", help="Inputs that the model is made for: files, folders, globs."
        ),
    ],
    strange: Annotated[
        list[str] | None,
        typer.Option("--ood", metavar="NAME=PATH", help="An out-of-distribution set; may be given often."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Known-good inputs to learn from, none of them among --id."),
    ] = None,
    detectors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Detectors, with commas between; cosine_drop@PROBE reads one probe. Default: all that apply.",
        ),
    ] = None,
    controls: Annotated[
        bool, typer.Option(help="Add sets that are made: noise, and the ordinary pictures altered.")
    ] = _DEFAULTS.controls,
    generic: Annotated[
        bool,
        typer.Option(
            help="Let bundled photos stand for references where there are none, if the model takes colours."
        ),
    ] = _DEFAULTS.generic,
    rate: Annotated[
        float, typer.Option(help="False-positive rate at which inputs are flagged as unlike the references.")
    ] = _DEFAULTS.rate,
    limit: Annotated[
        int | None, typer.Option(help="Inputs of a set at most: a random sample of its files.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of samples, alterations and resamples.")] = _DEFAULTS.seed,
    preprocess: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="How pictures become tensors, as for onnx-ood score."),
    ] = None,
    provider: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = _DEFAULTS.provider,
    batch_size: Annotated[
        int | None, typer.Option(help="Inputs in one run. Default: what memory allows.")
    ] = None,
    json: JsonFile = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all figures as CSV, one line a detector and set."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write AUROCs as a Markdown table.")
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write AUROCs as a LaTeX tabular.")
    ] = None,
    directions: Annotated[
        bool,
        typer.Option(
            "--directions",
            help="In place of detectors, measure where a smaller cosine drop means out-of-distribution, and where it "
            "is the other way round: over layers, scales, families and copies of nudges.",
        ),
    ] = False,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SELECTOR", help="With --directions: layers, as for onnx-ood score. Repeatable."
        ),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="With --directions: standard deviations of nudges, with commas between. Default: 0.005,0.02,0.08.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report.")] = False,
) -> None:
    """Measure how well detectors tell out-of-distribution inputs from ordinary ones, on one model.

    With --directions, measure when a smaller cosine drop does.
    """
    sets = _sets(strange or [])
    of_detectors = {
        "--reference": reference,
        "--detectors": detectors,
        "--no-generic": not generic,
        "--csv": csv,
        "--markdown": markdown,
        "--latex": latex,
    }
    if directions:
        _check_absent(
            of_detectors, "is about detectors, which --directions doesn't measure; leave out either"
        )
        swept = audits.DirectionsSettings(
            probes=tuple(probe or ()),
            scales=read_scales(scales),
            controls=controls,
            limit=limit,
            seed=seed,
            preprocessing=preprocess,
            provider=provider,
            batch_size=batch_size,
        )
        bench_directions(model, ordinary, sets, swept, json, quiet=quiet)
        return
    _check_absent({"--probe": probe, "--scales": scales}, "goes with --directions; add that, or leave it out")
    settings = audits.BenchSettings(
        detectors=read_names(detectors),
        controls=controls,
        generic=generic,
        rate=rate,
        limit=limit,
        seed=seed,
        preprocessing=preprocess,
        provider=provider,
        batch_size=batch_size,
    )
    check_outputs(json, csv, markdown, latex)
    with progress_bar("measuring", quiet=quiet) as progress:
        result = audits.bench(model, ordinary, sets, settings, reference=reference or (), progress=progress)
    for path, text in ((csv, to_csv_table), (markdown, to_markdown), (latex, to_latex)):
        if path is not None:
            write_text(path, text(result))
    printed = write_json(result, json)
    if not quiet and not printed:
        print_bench(stdout(), result, top=5)
    if result.status == "not evaluated":
        raise NotEvaluatedError("there are fewer than 10 ordinary inputs, or fewer of a set")


def _check_absent(options: Mapping[str, object], reason: str) -> None:
    """Refuses options that don't go with what is measured.

    Raises:
        UsageError: If one is given.
    """
    for name, value in options.items():
        if value:
            raise UsageError(f"{name} {reason}")


def _sets(given: list[str]) -> dict[str, list[str]]:
    """Paths by name; one that is given twice has both.

    Raises:
        UsageError: If one has no name.
    """
    sets: dict[str, list[str]] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"--ood {text!r} is not NAME=PATH; name the set, as in --ood textures=folder")
        sets.setdefault(name, []).append(path)
    return sets
