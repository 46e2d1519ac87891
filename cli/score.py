"""`onnx-ood score`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

import onnx_ood
from onnx_ood._outputs import run_files
from onnx_ood.exceptions import NotEvaluatedError, TooFewReferencesError, UsageError
from onnx_ood.inputs import InputSource, open_inputs, open_references
from onnx_ood.reports import numbers
from onnx_ood.reports.report_options import ReportOptions
from onnx_ood.reports.words import counted

from . import Interrupted
from .console import complain
from .optional_values import OptionalValue, is_number
from .options import takes_options
from .output import (
    All,
    HtmlFile,
    JsonFile,
    Quiet,
    Title,
    Top,
    Verbose,
    check_outputs,
    file_option,
    write_outputs,
)
from .progress import show_progress

# Before these are imported, which takes a third of a second, a misspelt path is found.
if TYPE_CHECKING:
    from onnx_ood.audits.score.result import DetectorSummary

EXAMPLES = (
    "onnx-ood score model.onnx photos/",
    "onnx-ood score model.onnx new/ --reference known-good/ --html report.html",
)
OPTIONAL_VALUES = {"--fail-on-flagged": OptionalValue("0", is_number)}


@takes_options(onnx_ood.ScoreSettings)
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...",
            help="Pictures, .zip, .npy or .npz arrays, recordings, tables, lists of paths, .txt, folders, globs, or "
            "- for paths on standard input.",
        ),
    ],
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Known-good inputs: file, folder or glob. Inputs that differ from them are flagged. At least 10 to "
            "learn from; to flag, at least 1/fpr - 1: 19 at the default --fpr; more for --fdr. Repeatable.",
            rich_help_panel="Input",
        ),
    ] = None,
    top: Top = None,
    everything: All = False,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures",
            help="Draw the listed inputs on the terminal, if they are picture files.",
            rich_help_panel="Output",
        ),
    ] = False,
    json: JsonFile = None,
    csv: Annotated[
        Path | None,
        file_option("--csv", text="Write one line per input as CSV."),
    ] = None,
    jsonl: Annotated[
        Path | None,
        file_option(
            "--jsonl",
            text="Write each input to a file of JSON lines as the run goes, for runs of many inputs; the result then "
            "lists at most 1000.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Resume the run in the file of --jsonl, if it exists.", rich_help_panel="Output"
        ),
    ] = False,
    parquet: Annotated[
        Path | None,
        file_option("--parquet", text="Write one row per input as Parquet, streamed like --jsonl."),
    ] = None,
    html: HtmlFile = None,
    title: Title = None,
    thumbnails: Annotated[
        bool,
        typer.Option(help="Put thumbnails of the inputs in the page of --html.", rich_help_panel="Output"),
    ] = True,
    fail_on_flagged: Annotated[
        float | None,
        typer.Option(
            "--fail-on-flagged",
            metavar="[SHARE]",
            help="End with exit code 1 if more than this share of the scored inputs is flagged; without SHARE, if any "
            "is. Needs --reference.",
            rich_help_panel="Output",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    settings: onnx_ood.ScoreSettings,
) -> None:
    """Rank inputs by how unusual a model finds them, and show at which layer.

    A detector ranks them; with known-good inputs (--reference), inputs that differ from these are flagged. With
    --copies, or if no detector applies, each input is also nudged a few times, to measure how far the activations
    rotate (the cosine drop).
    """
    if resume and jsonl is None:
        raise UsageError("--resume continues the file of --jsonl; name one")
    if csv is not None and (jsonl or parquet):
        raise UsageError(
            "--csv writes the listed inputs, with --jsonl or --parquet not all of them; leave it out"
        )
    if fail_on_flagged is not None:
        if not 0 <= fail_on_flagged <= 1:
            raise UsageError(f"--fail-on-flagged {fail_on_flagged:g}: choose a share from 0 to 1, as in 0.05")
        if not reference:
            raise UsageError("--fail-on-flagged: without references nothing is flagged; add --reference PATH")
    source, references = open_inputs(inputs, stdin=sys.stdin), open_references(reference or None)
    InputSource.joined([source, references]).check_missing()
    used = run_files(model, {"an input": source.paths, "a reference": references.paths}, settings.feeds)
    check_outputs(used, quiet=quiet, json=json, csv=csv, jsonl=jsonl, parquet=parquet, html=html)
    with _resumable(jsonl), ExitStack() as closer:
        streaming = _streaming(jsonl, parquet, closer, resume=resume, listed=2 * (top or 0))
        with show_progress(quiet=quiet) as progress:
            try:
                result = onnx_ood.score(
                    model,
                    source,
                    settings,
                    reference=references if reference else None,
                    streaming=streaming,
                    progress=progress,
                )
            except TooFewReferencesError as error:
                raise UsageError(f"{error}{_advice_on_globs(reference or [], inputs)}") from None
        if streaming is not None and parquet is not None:
            with onnx_ood.read_summary(streaming.path) as summary:
                _parquet().write_parquet(parquet, summary)
    if csv is not None:
        result.to_csv(csv)
    write_outputs(
        result,
        json=json,
        html=html,
        title=title,
        quiet=quiet,
        name_failed=result.status == "scored",
        report=ReportOptions(top=top, everything=everything, verbose=verbose, thumbnails=pictures),
        thumbnails=thumbnails,
    )
    if result.status == "not_evaluated":
        count = result.scored + result.unscored
        # The report has it, too.
        shown = not quiet and str(json) != "-"
        reason = (
            f"; the first: {result.failed[0].id}: {result.failed[0].reason}"
            if result.failed and not shown
            else ""
        )
        raise NotEvaluatedError(
            f"not evaluated: {result.scored:,} of {count:,} inputs could be scored{reason}"
        )
    if fail_on_flagged is not None:
        _fail_on_flagged(result, fail_on_flagged)


@contextmanager
def _resumable(stream: Path | None) -> Iterator[None]:
    """Say how an interrupted run is resumed, if its stream has inputs already."""
    try:
        yield
    except Interrupted as error:
        streams = import_module("onnx_ood.audits.score.stream.stream")
        done = 0 if stream is None else streams.count_inputs(stream)
        if done:
            error.message = f"interrupted after {counted(done, 'input')}; run again with --resume to continue"
        raise


def _advice_on_globs(reference: Sequence[str], inputs: Sequence[str]) -> str:
    """Advise to quote a pattern if the shell seems to have expanded it to one reference and further inputs."""
    first = Path(reference[0]) if len(reference) == 1 else None
    if first is None or not any(
        Path(one).parent == first.parent and Path(one).suffix == first.suffix and Path(one) != first
        for one in inputs
    ):
        return ""
    return (
        f"; inputs lie next to {first}: if the shell has expanded a pattern after --reference, quote the pattern, or "
        "repeat --reference for each file"
    )


def _fail_on_flagged(result: onnx_ood.ScoreResult, limit: float) -> None:
    """End the program with 1 if too many inputs are flagged.

    Raises:
        NotEvaluatedError: If no input can be flagged.
    """
    share, summary = result.flagged_share, result.detector_summary
    failed = f"; {counted(result.unscored, 'input')} could not be scored" if result.unscored else ""
    if share is None or summary is None:
        raise NotEvaluatedError(f"not evaluated: {_why_no_flags(summary)}{failed}")
    if share > limit:
        allowed = f"more than {numbers.percent(limit)}" if limit else "none allowed"
        complain(
            f"{result.flagged:,} of {counted(result.scored, 'input')} flagged ({numbers.percent(share)}), {allowed} "
            f"(--fail-on-flagged){failed}"
        )
        raise typer.Exit(1)


def _why_no_flags(summary: DetectorSummary | None) -> str:
    if summary is None or summary.rate is None:
        return "no input can be flagged without references"
    name, option = ("positive", "--fpr") if summary.fdr is None else ("discovery", "--fdr")
    return (
        f"no input can be flagged at a false-{name} rate of {summary.rate:g} with "
        f"{counted(summary.references, 'reference')}; give at least {summary.references_for(summary.rate):,}, or raise "
        f"{option}"
    )


def _parquet() -> Any:
    return import_module("onnx_ood.reports.formats.parquet")


def _streaming(
    jsonl: Path | None, parquet: Path | None, closer: ExitStack, *, resume: bool, listed: int
) -> onnx_ood.Streaming | None:
    """Return the file that the run is streamed to: for a table alone a temporary one in its folder."""
    if parquet is not None:
        _parquet().check_pyarrow()
    if jsonl is None and parquet is not None:
        folder = closer.enter_context(TemporaryDirectory(prefix=f".{parquet.name}.", dir=parquet.parent))
        jsonl = Path(folder) / "stream.jsonl"
    if jsonl is None:
        return None
    return onnx_ood.Streaming(jsonl, resume=resume, most_listed=max(listed, onnx_ood.Streaming.most_listed))
