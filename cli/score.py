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
from onnx_ood.reports.files import to_csv, write_text
from onnx_ood.reports.pages import score_page
from onnx_ood.reports.printing import print_score
from onnx_ood.reports.score.parquet import check_pyarrow, write_parquet

from .console import stdout
from .feeds import read_feeds
from .names import read_names
from .options import BatchSize, Generic, Provider, Rate
from .output import HtmlFile, JsonFile, check_outputs, write_json
from .progress import progress_bar

_DEFAULTS = onnx_ood.ScoreSettings()


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
    detectors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Detectors, with commas between; the first ranks. strangeness compares the inputs with each other "
            "instead. Default: auto where it applies.",
        ),
    ] = None,
    generic: Generic = _DEFAULTS.generic,
    rate: Rate = _DEFAULTS.rate,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A folder in which what is measured of references is kept from run to run."
        ),
    ] = None,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SELECTOR",
            help="What to watch: a name, a glob, op:Relu, op:Conv[-3], op:Relu[::4], outputs, all. Repeatable. "
            "Default: up to 12 activations over the depth.",
        ),
    ] = None,
    copies: Annotated[int | None, typer.Option(help="Nudged copies of each input. Default: 4.")] = None,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive",
            help="Give an input no more copies once they would hardly change its strangeness; --copies is the most.",
        ),
    ] = False,
    scale: Annotated[
        float, typer.Option(help="Standard deviation of the noise; pixels go from 0 to 1.")
    ] = _DEFAULTS.scale,
    space: Annotated[
        str, typer.Option(help="pixel (before normalisation), tensor (as the model takes it), or auto.")
    ] = _DEFAULTS.space,
    noise: Annotated[str, typer.Option(help="gaussian or uniform.")] = _DEFAULTS.family,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = _DEFAULTS.seed,
    recipe: Annotated[
        str | None, typer.Option(help="A published recipe in place of the settings above: lesswrong.")
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="How pictures become tensors: imagenet, inception, unit, symmetric, bytes, with changes, as in "
            "'imagenet,BGR,NHWC,stretch,size=299'. Default: the model card's, or a guess.",
        ),
    ] = None,
    site: Annotated[
        str | None, typer.Option(metavar="NAME", help="The tensor to nudge: a model input, or one inside.")
    ] = None,
    feed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="The value of another model input, the same for all inputs: zeros, ones, a number or a .npy file. "
            "Repeatable. Without it the value comes with each input, from .npz files.",
        ),
    ] = None,
    provider: Provider = _DEFAULTS.provider,
    batch_size: BatchSize = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Run without fusions: slower, and watching changes no bit of the outputs."
        ),
    ] = False,
    tf32: Annotated[
        bool,
        typer.Option("--tf32", help="Let CUDA round products to TF32: faster, and small nudges drown in it."),
    ] = False,
    advise: Annotated[
        bool,
        typer.Option(
            "--advise",
            help="Say which of the probes to watch: those that tell these inputs apart, none twice.",
        ),
    ] = False,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report.")] = False,
) -> None:
    """Rank inputs by how strange a model finds them, and show at which layer.

    A detector ranks them; with known-good inputs (--reference) those unlike them are flagged. Each input is nudged
    a few times, too: measured is how far the model's activations turn (the cosine drop).
    """
    settings = onnx_ood.ScoreSettings(
        detectors=read_names(detectors),
        generic=generic,
        rate=rate,
        cache=cache,
        probes=tuple(probe or ()),
        family=noise,
        space=space,
        scale=scale,
        copies=copies,
        adaptive=adaptive,
        seed=seed,
        recipe=recipe,
        preprocessing=preprocess,
        site=site,
        feeds=read_feeds(feed or ()),
        provider=provider,
        batch_size=batch_size,
        exact=exact,
        advise=advise,
        tf32=tf32,
    )
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
        write_text(csv, to_csv(result))
    if html is not None:
        write_text(html, score_page(result, thumbnails=thumbnails))
    if not quiet and not printed:
        print_score(stdout(), result, top, pictures=pictures)
    if result.status == "not evaluated":
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
