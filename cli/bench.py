"""`onnx-ood bench`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood._outputs import run_files
from onnx_ood._writing import write_text
from onnx_ood.audits.bench.config import BenchFile, read_bench_file
from onnx_ood.audits.bench.protocol_sets import open_protocol
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.inputs import open_inputs
from onnx_ood.reports import words
from onnx_ood.reports.formats.csv import bench_csv
from onnx_ood.reports.formats.latex import bench_latex
from onnx_ood.reports.formats.markdown_tables import bench_markdown
from onnx_ood.reports.formats.picture import check_pictures
from onnx_ood.reports.report_options import ReportOptions

from .options import takes_options
from .output import (
    HtmlFile,
    JsonFile,
    PictureFiles,
    Quiet,
    Title,
    Top,
    Verbose,
    check_outputs,
    file_option,
    write_outputs,
)
from .progress import show_progress
from .sets import IdInputs, OodSets, read_sets

EXAMPLES = (
    "onnx-ood bench model.onnx --id photos/ --ood textures=textures/",
    "onnx-ood bench model.onnx --id photos/ --reference known-good/ --corruptions all --html report.html",
    "onnx-ood bench cifar_net.onnx --protocol cifar10 --id openood/data/ --json result.json",
)


@takes_options(onnx_ood.BenchSettings)
def bench(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="ONNX file; a --config file can name it instead.")
    ] = None,
    id_inputs: IdInputs = None,
    ood_sets: OodSets = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Known-good inputs (at least 10) to learn from, none of them among --id. Repeatable.",
            rich_help_panel="Input",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with the model, its inputs and settings; keys are named after the options, and "
            "command-line options override the file.",
            rich_help_panel="Input",
        ),
    ] = None,
    json: JsonFile = None,
    csv: Annotated[
        Path | None,
        file_option(text="Write all metrics as CSV, one line per detector and set."),
    ] = None,
    markdown: Annotated[
        Path | None,
        file_option(text="Write AUROCs as a Markdown table."),
    ] = None,
    latex: Annotated[
        Path | None,
        file_option(text="Write AUROCs as a LaTeX tabular."),
    ] = None,
    picture: PictureFiles = None,
    html: HtmlFile = None,
    title: Title = None,
    top: Top = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    settings: onnx_ood.BenchSettings,
) -> None:
    """Measure how well detectors separate out-of-distribution inputs from in-distribution ones, on one model."""
    plan = read_bench_file(config) if config else BenchFile()
    given: dict[str, object] = {name: getattr(settings, name) for name in settings.model_fields_set}
    given |= {
        name: value
        for name, value in {
            "model": None if model is None else str(model),
            "id": tuple(id_inputs or ()),
            "ood": read_sets(ood_sets or []),
            "reference": tuple(reference or ()),
        }.items()
        if value
    }
    plan = plan.replaced(**given)
    if plan.model is None:
        raise UsageError("no model given: use onnx-ood bench MODEL, or name it in a --config file")
    if not plan.id:
        raise UsageError("no in-distribution inputs given: use --id PATH, or the key id in a --config file")
    pictures = picture or []
    check_outputs(
        _used(plan, config),
        quiet=quiet,
        json=json,
        csv=csv,
        markdown=markdown,
        latex=latex,
        html=html,
        picture=pictures,
    )
    check_pictures(*pictures)
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.bench(
            Path(plan.model),
            plan.id,
            plan.ood,
            plan.settings(scores=bool(pictures) or html is not None),
            reference=plan.reference or None,
            progress=progress,
        )
    for path, text in ((csv, bench_csv), (markdown, bench_markdown), (latex, bench_latex)):
        if path is not None:
            write_text(path, text(result))
    write_outputs(
        result,
        json=json,
        html=html,
        title=title,
        pictures=pictures,
        quiet=quiet,
        report=ReportOptions(top=top, verbose=verbose),
    )
    if result.status == "not_evaluated":
        sizes = ((one.name, one.inputs) for one in result.sets)
        raise NotEvaluatedError(f"not evaluated: {words.too_few(result.id, sizes)}")


def _used(plan: BenchFile, config: Path | None) -> Iterator[tuple[str, Path]]:
    """List the files that a benchmark reads."""
    if plan.protocol:
        protocol = open_protocol(plan.protocol, plan.id, plan.ood)
        inputs = protocol.sources.all
        yield from (("a list of the protocol", path) for path in protocol.lists)
    else:
        inputs = open_inputs([*plan.id, *chain.from_iterable(plan.ood.values())])
    references = open_inputs(plan.reference)
    used = {"an input": inputs.paths, "a reference": references.paths}
    yield from run_files(Path(plan.model or ""), used, plan.feeds)
    if config is not None:
        yield "the --config file", config
