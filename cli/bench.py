"""`onnx-ood bench`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.audits.bench.config import BenchFile, read_bench_file
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.reports.bench.tables import to_csv_table, to_latex, to_markdown
from onnx_ood.reports.files import write_text
from onnx_ood.reports.pictures import check_picture_folder, draw_bench
from onnx_ood.reports.printing import print_bench

from .console import stdout
from .directions import directions as bench_directions
from .directions import read_scales
from .names import read_names
from .options import BatchSize, Generic, Provider, Rate
from .output import HtmlFile, JsonFile, check_outputs, write_html, write_json
from .progress import progress_bar

_DEFAULTS = onnx_ood.BenchSettings()


def bench(
    context: typer.Context,
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="An ONNX file; or a file with --config names it.")
    ] = None,
    ordinary: Annotated[
        list[str] | None,
        typer.Option(
            "--id", metavar="PATH", help="Inputs that the model is made for: files, folders, globs."
        ),
    ] = None,
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
    corruptions: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="Corrupt the ordinary pictures at five severities, and measure a curve for each detector: names with "
            "commas between, or all.",
        ),
    ] = None,
    controls: Annotated[
        bool, typer.Option(help="Add sets that are made: noise, and the ordinary pictures altered.")
    ] = _DEFAULTS.controls,
    generic: Generic = _DEFAULTS.generic,
    rate: Rate = _DEFAULTS.rate,
    limit: Annotated[
        int | None, typer.Option(help="Inputs of a set at most: a random sample of its files.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of samples, alterations and resamples.")] = _DEFAULTS.seed,
    preprocess: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="How pictures become tensors, as for onnx-ood score."),
    ] = None,
    provider: Provider = _DEFAULTS.provider,
    batch_size: BatchSize = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep what is measured in this folder, and measure nothing that is in it: for another detector, say.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A TOML file that names the model, its inputs and settings, in keys that are called like the options "
            "above; what the command line says comes before what it says.",
        ),
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
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Draw ROC curves, histograms of scores and severity curves of the six best detectors as .svg; needs "
            "matplotlib. Scores are in the JSON too then.",
        ),
    ] = None,
    html: HtmlFile = None,
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
    plan = read_bench_file(config) if config else BenchFile()
    said: dict[str, tuple[str, object]] = {
        "model": ("model", str(model)),
        "ordinary": ("id", ordinary),
        "strange": ("ood", _sets(strange or [])),
        "reference": ("reference", reference),
        "detectors": ("detectors", read_names(detectors)),
        "corruptions": ("corruptions", read_names(corruptions)),
        "controls": ("controls", controls),
        "generic": ("generic", generic),
        "rate": ("rate", rate),
        "limit": ("limit", limit),
        "seed": ("seed", seed),
        "preprocess": ("preprocess", preprocess),
        "provider": ("provider", provider),
        "batch_size": ("batch_size", batch_size),
        "cache": ("cache", cache),
    }
    plan = plan.model_copy(
        update={key: value for option, (key, value) in said.items() if _is_given(context, option)}
    )
    if plan.model is None:
        raise UsageError("no model is named: say onnx-ood bench MODEL, or name it in a file with --config")
    if not plan.id:
        raise UsageError("no ordinary inputs are named: add --id PATH, or id to a file with --config")
    model = Path(plan.model)
    of_detectors = {
        "--reference": reference,
        "--detectors": detectors,
        "--corruptions": corruptions,
        "--no-generic": not generic,
        "--cache": cache,
        "--config": config,
        "--csv": csv,
        "--markdown": markdown,
        "--latex": latex,
        "--pictures": pictures,
    }
    if directions:
        _check_absent(
            of_detectors, "is about detectors, which --directions doesn't measure; leave out either"
        )
        swept = onnx_ood.DirectionsSettings(
            probes=tuple(probe or ()),
            scales=read_scales(scales),
            controls=controls,
            limit=limit,
            seed=seed,
            preprocessing=preprocess,
            provider=provider,
            batch_size=batch_size,
        )
        bench_directions(model, plan.id, plan.ood, swept, json, html, quiet=quiet)
        return
    _check_absent({"--probe": probe, "--scales": scales}, "goes with --directions; add that, or leave it out")
    check_outputs(json, csv, markdown, latex, html)
    if pictures is not None:
        check_picture_folder(pictures)
    settings = replace(plan.settings, scores=pictures is not None or html is not None)
    with progress_bar("measuring", quiet=quiet) as progress:
        result = onnx_ood.bench(
            model, plan.id, plan.ood, settings, reference=plan.reference, progress=progress
        )
    for path, text in ((csv, to_csv_table), (markdown, to_markdown), (latex, to_latex)):
        if path is not None:
            write_text(path, text(result))
    write_html(result, html)
    if pictures is not None:
        draw_bench(result, pictures)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_bench(stdout(), result, top=5)
    if result.status == "not evaluated":
        raise NotEvaluatedError("there are fewer than 10 ordinary inputs, or fewer of a set")


def _is_given(context: typer.Context, option: str) -> bool:
    """Whether the command line has an option, with its default or not."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


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
