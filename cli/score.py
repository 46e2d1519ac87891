"""`onnx-ood score`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.reports.formats.csv import score_csv
from onnx_ood.reports.formats.parquet import check_pyarrow, write_parquet
from onnx_ood.reports.formats.writing import write_text
from onnx_ood.reports.registry import print_result, result_page

from .console import stdout
from .options import takes_options
from .output import HtmlFile, JsonFile, Quiet, check_outputs, write_json
from .progress import progress_bar


@takes_options(onnx_ood.ScoreSettings)
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...",
            help="Pictures, .npy or .npz arrays, .wav, .parquet, folders, globs, or - for a list of paths on standard "
            "input.",
        ),
    ],
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Known-good inputs, from 10 on: a file, folder or glob. Inputs unlike them are flagged. Repeatable.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many strangest and most ordinary inputs to list.")] = 5,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Draw these inputs on the terminal, if they are pictures.")
    ] = False,
    json: JsonFile = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write one line an input as CSV.")
    ] = None,
    jsonl: Annotated[
        Path | None,
        typer.Option(
            "--jsonl",
            metavar="FILE",
            help="Write what comes of each input to a file of JSON lines as the run goes, for runs of many inputs: the "
            "result then lists 1000 at most.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the file of --jsonl, if there is one.")
    ] = False,
    parquet: Annotated[
        Path | None,
        typer.Option(
            "--parquet", metavar="FILE", help="Write one row an input as Parquet, streamed as by --jsonl."
        ),
    ] = None,
    html: HtmlFile = None,
    thumbnails: Annotated[
        bool, typer.Option(help="Put small pictures of the inputs in the page of --html.")
    ] = True,
    quiet: Quiet = False,
    *,
    settings: onnx_ood.ScoreSettings,
) -> None:
    """Rank inputs by how strange a model finds them, and show at which layer.

    A detector ranks them; with known-good inputs (--reference) those unlike them are flagged. Each input is nudged
    a few times, too: measured is how far the model's activations turn (the cosine drop).
    """
    if resume and jsonl is None:
        raise UsageError("--resume goes on with the file of --jsonl, and none is named")
    if csv is not None and (jsonl or parquet):
        raise UsageError(
            "--csv writes what the result lists, which with --jsonl or --parquet need not be all; drop it"
        )
    check_outputs(json, csv, jsonl, parquet, html)
    with ExitStack() as closer:
        streaming = _streaming(jsonl, parquet, closer, resume=resume, listed=2 * top)
        with progress_bar("scoring", quiet=quiet) as progress:
            result = onnx_ood.score(
                model,
                inputs,
                settings,
                reference=reference or (),
                streaming=streaming,
                stdin=sys.stdin,
                progress=progress,
            )
        if streaming is not None and parquet is not None:
            with onnx_ood.read_summary(streaming.path) as summary:
                write_parquet(parquet, summary)
    printed = write_json(result, json)
    if csv is not None:
        write_text(csv, score_csv(result))
    if html is not None:
        write_text(html, result_page(result, thumbnails=thumbnails))
    if not quiet and not printed:
        print_result(stdout(), result, top, pictures=pictures)
    if result.status == "not_evaluated":
        count = result.scored + result.unscored
        reason = f"; the first: {result.failed[0].id}: {result.failed[0].reason}" if result.failed else ""
        raise NotEvaluatedError(
            f"not evaluated: {result.scored:,} of {count:,} inputs could be scored{reason}"
        )


def _streaming(
    jsonl: Path | None, parquet: Path | None, closer: ExitStack, *, resume: bool, listed: int
) -> onnx_ood.Streaming | None:
    """Where the run is streamed to; for a table alone to a temporary file beside it."""
    if parquet is not None:
        check_pyarrow()
    if jsonl is None and parquet is not None:
        folder = closer.enter_context(TemporaryDirectory(prefix=f".{parquet.name}.", dir=parquet.parent))
        jsonl = Path(folder) / "stream.jsonl"
    if jsonl is None:
        return None
    return onnx_ood.Streaming(jsonl, resume=resume, most_listed=max(listed, onnx_ood.Streaming.most_listed))
