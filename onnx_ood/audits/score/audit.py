"""The score audit: which inputs does a model find strange, and at which layer?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TextIO

import numpy as np

from onnx_ood import models
from onnx_ood._types import Progress
from onnx_ood.audits._common.preprocessing import choose_preprocessing, preprocessing_notes
from onnx_ood.audits.score.adaptive import Adaptive, check_adaptive
from onnx_ood.audits.score.batch_runner import BatchRunner
from onnx_ood.audits.score.nudging import Perturber
from onnx_ood.audits.score.result import CopiesUsed, DetectorSummary, InputResult, ProbeAdvice, ScoreResult
from onnx_ood.audits.score.scoring import choose_scorer
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.audits.score.stream.records import Header, ScoredInput, StreamProbe
from onnx_ood.audits.score.stream.result_writer import ResultWriter
from onnx_ood.audits.score.stream.stream import Stream, open_stream
from onnx_ood.audits.score.stream.summary import StreamSummary, summarise
from onnx_ood.detectors import MIN_INPUTS, find_detector
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.references import among_references, overlap_notes
from onnx_ood.evidence.sets import counting
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph import Model, Suggestion, Tensor, load, select, suggest_probes
from onnx_ood.inputs import Reader, discover, read_card
from onnx_ood.perturb.recipes import PROBE as LESSWRONG_PROBE
from onnx_ood.results.base import Run
from onnx_ood.results.provenance import environment, fallback_report, model_facts
from onnx_ood.runtime import Prober, decoding_threads, find_input

# Inputs read at once where the user doesn't say; how many of them one run takes is the prober's choice.
_READ_BATCH = 32


def score(
    model: str | Path | Model,
    inputs: Sequence[str],
    settings: ScoreSettings | None = None,
    *,
    reference: Sequence[str] = (),
    streaming: Streaming | None = None,
    stdin: TextIO | None = None,
    progress: Progress | None = None,
) -> ScoreResult:
    """Ranks inputs by how strange a model finds them, and measures how its activations turn when they are nudged.

    What ranks them is a detector, `auto` unless another is asked for; where it doesn't apply, inputs are compared with
    each other by their cosine drops.

    Inputs that can't be read, that the model doesn't run, or for which it gives NaN or infinity, are listed as failed;
    the others are scored all the same.

    Args:
        model: A path or a loaded model.
        inputs: Files, folders, globs, or `-` for a list of paths on standard input.
        settings: What to measure and how; None for the defaults.
        reference: Known-good inputs, from 10 on: files, folders or globs. None of them should be among `inputs`.
        streaming: Where to write what comes of each input as the run goes, and whether to go on with what is there;
            None to keep it until the end.
        stdin: Where `-` reads from.
        progress: Called with the number of inputs done and in all (None while unknown).

    Returns:
        The result; its status is "not_evaluated" if fewer than half of the inputs could be scored.

    Raises:
        UsageError: If a setting doesn't fit the model, or the stream that is to be gone on with.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.
        OutputError: If the stream can't be written, or is damaged.
    """
    settings = settings or ScoreSettings()
    loaded = model if isinstance(model, Model) else load(model)
    site, site_note = choose_site(loaded, settings.site, settings.feeds)
    fed = find_input(loaded, site, settings.feeds)
    feeding = Feeding(loaded, fed, settings.feeds)
    found = discover(inputs, stdin=stdin)
    feeding.check(found.paths)
    probes = choose_probes(loaded, settings, site)
    card, facts = read_card(loaded.path), model_facts(loaded)
    chosen = choose_preprocessing(fed, found, settings.preprocess, card)
    nudger = Perturber(settings, chosen, inner=not site.is_input)
    if settings.advise and nudger.copies < 2:
        raise UsageError("advice compares copies of an input with each other: give --copies 2 or more")
    with open_stream(streaming) as stream:
        step = counting(progress) if progress else None
        judge, judge_notes = choose_scorer(
            loaded, fed, feeding, settings, reference, chosen.preprocessing if chosen else None, step
        )
        known = stream.calibration
        prober = Prober(
            loaded,
            [probe.tensor for probe in probes if not known or probe.tensor.name not in known.skipped_probes],
            site=site.name,
            provider=settings.provider,
            batch_size=settings.batch_size,
            exact=settings.exact,
            tf32=settings.tf32,
            feeds=settings.feeds,
        )
        adaptive = None
        if settings.adaptive:
            check_adaptive(nudger.copies, prober.provider)
            adaptive = Adaptive(nudger.copies, known.copy_sums if known else ())
        reader = Reader(
            found.paths,
            preprocessing=chosen.preprocessing if chosen else None,
            input_name=feeding.fed.name,
            input_shape=feeding.fed.shape,
            dtype=feeding.fed.dtype,
            others=feeding.from_files,
            batch=settings.batch_size or _READ_BATCH,
            threads=decoding_threads(),
            skip=stream.done.take if stream.begun else None,
        )
        stream.begin(
            Header(
                model=facts,
                nudges=nudger.described,
                site=site.name,
                feeds=feeding.described,
                preprocessing=chosen.describe() if chosen else None,
                detector_summary=judge.described if judge else None,
                probes=tuple(map(_described, probes)),
                provider=prober.provider,
                exact=settings.exact,
                tf32=prober.tf32,
                batch_size=settings.batch_size,
                environment=environment(),
            )
        )
        tally = ResultWriter(stream, card.class_names() if card else None)
        for missing in found.missing:
            tally.fail(missing.id, missing.reason)
        measuring = BatchRunner(
            prober,
            nudger,
            feeding,
            tally,
            exact=settings.exact,
            judge=judge,
            adaptive=adaptive,
            calibration=known,
        )
        if adaptive and known:
            floor = np.array([probe.noise_floor for probe in known.probes])
            entries = (entry for entry in stream.entries() if isinstance(entry, ScoredInput))
            adaptive.add(((entry.drop, entry.drop_error) for entry in entries), floor)
        total = reader.count() if progress else None
        # Closed at once if the model fails or the user gives up: no decoder goes on behind an error.
        with closing(iter(reader)) as batches:
            for batch in batches:
                for failed in batch.failed:
                    tally.fail(failed.id, failed.reason)
                if len(batch):
                    measuring.run(batch)
                tally.commit(measuring.calibration())
                if progress:
                    progress(tally.seen - len(found.missing), total)
        calibration = measuring.calibration()
        tally.commit(calibration)
        run = calibration.run if calibration else measuring.described
        most = streaming.most_listed if streaming else None
        with summarise(stream) as summary:
            probe_results, results = summary.probe_results(), summary.inputs(most)
            advice = summary.advice() if settings.advise else None
            used = _copies_used(adaptive, summary, tally.scored) if adaptive else None
            flagged = summary.flagged
        verdict = stream.header.detector_summary
        return ScoreResult(
            status="scored" if results and 2 * tally.scored >= tally.seen else "not_evaluated",
            model=facts,
            nudges=nudger.described,
            site=prober.site.name,
            feeds=feeding.described,
            preprocessing=stream.header.preprocessing,
            detector_summary=verdict,
            environment=environment(),
            run=run,
            adaptive=used,
            probes=probe_results,
            advice=advice,
            scored=tally.scored,
            flagged=flagged if verdict is not None and verdict.flags else None,
            inputs=results,
            unscored=stream.unscored,
            failed=summary.failed(most),
            ignored=tuple(path.as_posix() for path in found.ignored),
            skipped_probes=calibration.skipped_probes if calibration else prober.skipped,
            notes=(
                *site_note,
                *feeding.notes,
                *reader.notes,
                *preprocessing_notes(chosen, card, facts),
                *_rank_notes(results),
                *judge_notes,
                *_verdict_notes(verdict, found.paths),
                *_order_notes(verdict, results),
                *overlap_notes(among_references(found.paths, reference)),
                *_run_notes(settings, run),
                *_advice_notes(settings, advice),
                *_stream_notes(stream, len(results)),
            ),
        )


def _copies_used(adaptive: Adaptive, summary: StreamSummary, scored: int) -> CopiesUsed:
    return CopiesUsed(
        rule=adaptive.rule,
        copies=summary.copies,
        copies_fixed=scored * adaptive.copies,
        forwards=summary.forwards,
        forwards_fixed=scored * (1 + adaptive.copies),
    )


def _described(probe: Suggestion) -> StreamProbe:
    tensor = probe.tensor
    return StreamProbe(name=tensor.name, op=tensor.op, depth=tensor.depth, reason=probe.reason)


def choose_probes(model: Model, settings: ScoreSettings, site: Tensor) -> tuple[Suggestion, ...]:
    """The probes to measure: the user's, the recipe's, or the suggested ones.

    Args:
        model: The model.
        settings: The settings.
        site: The tensor to nudge.

    Returns:
        The tensors and why each was chosen, in execution order.

    Raises:
        SelectorError: If a selector matches nothing.
        ModelError: If nothing in the model can be measured.
    """
    if settings.probes:
        chosen = select(model, settings.probes, site)
        return tuple(Suggestion(tensor, "selected by the user") for tensor in chosen)
    if settings.recipe == "lesswrong":
        try:
            found = select(model, LESSWRONG_PROBE, site)
        except SelectorError:
            raise UsageError(
                f"the recipe looks at the third-last Conv, and {model.path} has no three behind the site: name a "
                "probe. For language models the recipe is --scale 0.01 --copies 50 --probe outputs"
            ) from None
        return tuple(Suggestion(tensor, "the third-last Conv, as the recipe has it") for tensor in found)
    return suggest_probes(model, site=site)


def _rank_notes(results: Sequence[InputResult]) -> list[str]:
    if not results or results[0].deviation is not None:
        return []
    what = "are listed as given, without a rank" if results[0].rank is None else "have no strangeness"
    return [f"Fewer than {MIN_INPUTS} inputs, or inputs that are all alike, can't be compared: they {what}."]


def _verdict_notes(verdict: DetectorSummary | None, paths: Sequence[Path]) -> list[str]:
    """What can be said of an input, and what can't."""
    if verdict is None or verdict.fpr is None:
        notes = [
            "Without known-good references no threshold can be justified: inputs are ranked, not judged."
        ]
    elif verdict.flags:
        notes = [
            f"An input is flagged where p is at most {verdict.fpr:g}: that happens to a share of at most "
            f"{verdict.fpr:g} of inputs like the references, on average over draws of references."
        ]
    else:
        notes = [
            f"So few references allow no p-value below {verdict.smallest_p:.2g}, so nothing can be flagged at a rate "
            f"of {verdict.fpr:g}: give more with --reference."
        ]
    if verdict is not None and verdict.reference == "bundled":
        bundled = {photo.name for photo in models.photos()}
        among = sum(path.name in bundled for path in paths)
        if among:
            notes.append(
                f"{among} of the inputs have names of the bundled photos, which stand for the references here: if they "
                "are, they look more ordinary than they should."
            )
    return notes


def _order_notes(verdict: DetectorSummary | None, results: Sequence[InputResult]) -> list[str]:
    """Why a flagged input stands below one that isn't, where that happens: it looks like a mistake."""
    flags = [entry.flagged for entry in results if entry.flagged is not None]
    if verdict is None or flags == sorted(flags, reverse=True):
        return []
    why = (
        "p-values count unusually low scores too"
        if find_detector(verdict.detectors[0].name).two_sided
        else "p-values leave out what the score learns in ways that would make them inexact"
    )
    return [f"Some flagged inputs rank below some that aren't: {why}."]


def _run_notes(settings: ScoreSettings, run: Run) -> list[str]:
    notes = []
    if settings.tf32 and not run.tf32:
        notes.append("TF32 was asked for; the model ran on the CPU, which has none.")
    if run.fallback_nodes:
        notes.append(fallback_report(run.fallback_nodes))
    return notes


def _advice_notes(settings: ScoreSettings, advice: tuple[ProbeAdvice, ...] | None) -> list[str]:
    if not settings.advise:
        return []
    if advice is None:
        return [f"Fewer than {MIN_INPUTS} inputs don't tell which probes to watch."]
    return [
        "Advice is found without labels: it says where the nudge tells these inputs apart, not where it tells strange "
        "inputs from ordinary ones; onnx-ood bench --directions measures that."
    ]


def _stream_notes(stream: Stream, listed: int) -> list[str]:
    notes = []
    if listed < stream.scored:
        notes.append(
            f"Of {stream.scored:,} scored inputs, {listed:,} are listed: the strangest and the most ordinary, half and "
            "half. The stream has all."
        )
    if stream.done.left:
        notes.append(
            f"{stream.done.left:,} inputs of the run that was resumed are not among those named now; they count all "
            "the same."
        )
    return notes
