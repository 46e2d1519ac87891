"""The score audit: which inputs are unusual for a model, and at which layer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from onnx_ood._outputs import run_files
from onnx_ood._progress import Phase
from onnx_ood._types import Float, Progress
from onnx_ood.audits._common.predictions import describe_answer
from onnx_ood.audits._common.settings import takes_settings
from onnx_ood.audits.score.adaptive import Adaptive
from onnx_ood.audits.score.batch_runner import BatchRunner, DetectorRunner, PerturbingRunner
from onnx_ood.audits.score.notes import (
    advice_notes,
    answer_notes,
    batching_notes,
    comparison_notes,
    detector_notes,
    label_notes,
    order_notes,
    rank_notes,
    rounding_notes,
    run_notes,
    stream_notes,
)
from onnx_ood.audits.score.nudging import Nudging
from onnx_ood.audits.score.result import CopiesUsed, DetectorSummary, ScoreResult, UsedDetector
from onnx_ood.audits.score.scoring import DEFAULT, Scorer, fit_scorer
from onnx_ood.audits.score.settings import DEVIATION, ScoreSettings, Streaming
from onnx_ood.audits.score.stream.records import Calibration, Header, ScoredInput, StreamProbe
from onnx_ood.audits.score.stream.result_writer import ResultWriter
from onnx_ood.audits.score.stream.stream import Stream, check_stream, open_stream
from onnx_ood.audits.score.stream.summary import StreamSummary, summarise
from onnx_ood.evidence.nudge_units import feature_spread, spread_notes, unit_notes
from onnx_ood.evidence.perturbed import NUDGED
from onnx_ood.evidence.prepared_model import PreparedModel, prepare_model
from onnx_ood.evidence.preprocessing_choice import applied_to, find_class_names, row_request
from onnx_ood.evidence.references import overlap_notes
from onnx_ood.evidence.table_columns import column_notes, input_column_notes, table_columns
from onnx_ood.graph import Model, Suggestion, find_answer
from onnx_ood.inputs import Batch, InputSource, open_inputs, open_references
from onnx_ood.results.note_order import NOT_EVALUATED
from onnx_ood.results.provenance import environment
from onnx_ood.runtime.providers import Provider, resolve

# Inputs read at once without a batch size; the prober chooses how many of them one run takes.
_READ_BATCH = 32


@takes_settings(ScoreSettings)
def score(
    model: str | Path | Model,
    inputs: Any,
    settings: ScoreSettings | None = None,
    *,
    reference: Any = None,
    streaming: Streaming | None = None,
    stdin: TextIO | None = None,
    progress: Progress | None = None,
) -> ScoreResult:
    """Rank inputs by how unusual they are for a model.

    A detector ranks the inputs: `auto`, or the first one named. If `auto` does not apply, inputs are compared with each
    other by their cosine drops under nudges. Otherwise inputs are nudged on request only (`copies=4`, or another
    setting of nudges). Inputs that cannot be read or run, or for which the model gives NaN or infinity, are
    listed as failed.

    Args:
        model: Path of an ONNX file, or a loaded model.
        inputs: Inputs, as `onnx_ood.inputs.open_inputs` takes them: paths, folders, globs, arrays or images.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        reference: Known-good inputs (at least 10), none of them among `inputs`; None for none.
        streaming: File to write each input to as the run goes; None to keep results in memory.
        stdin: Stream that the path `-` reads paths from; None for a file called `-`.
        progress: Called with the name of a phase, such as references or inputs, its steps done and in all (None if
            not counted).

    Returns:
        Scores, ranks and flags of all inputs; the status is "not_evaluated" if fewer than half could be scored.

    Raises:
        UsageError: If a setting does not fit the model or the stream to resume.
        ModelError: If the model cannot be read or run.
        ProviderError: If the provider cannot run here.
        OutputError: If the stream cannot be written or is damaged.

    Example:
        onnx_ood.score("model.onnx", "incoming/", reference="good/", copies=8).to_dataframe()
    """
    settings = settings or ScoreSettings()
    source = open_inputs(inputs, stdin=stdin).require("inputs")
    references = open_references(reference)
    given = InputSource.joined([source, references])
    given.check_missing()
    prepared = prepare_model(
        model,
        given,
        site=settings.site,
        feeds=settings.feeds,
        preprocess=settings.preprocess,
        batch_axis=settings.batch_axis,
        answer=settings.answer,
    )
    prepared.check(source)
    differing = input_column_notes(prepared.fed, source, references)
    used = {"an input": source.paths, "a reference": references.paths}
    check_stream(streaming, run_files(prepared.model.path, used, settings.feeds))
    run = ScoreRun(prepared, settings)
    with open_stream(streaming) as stream:
        if stream.begun:
            run.check_resumed(stream, source, referenced=references.given)
        scorer, notes = fit_scorer(
            prepared,
            settings,
            references,
            progress,
            inputs=prepared.sample(source, settings.limit, settings.seed),
        )
        return run.score(
            source,
            scorer,
            stream,
            references=references,
            notes=notes,
            differing=differing,
            streaming=streaming,
            progress=progress,
        )


class ScoreRun:
    """Scoring of inputs with a model, settings and probes that are fixed.

    Attributes:
        spread: Spread of features over the references; None without references or for other inputs than tables.
    """

    def __init__(self, prepared: PreparedModel, settings: ScoreSettings) -> None:
        """Check the settings against the model.

        Args:
            prepared: The model.
            settings: Settings of the audit.

        Raises:
            UsageError: If a setting does not fit the model.
        """
        self._prepared, self._settings = prepared, settings
        self.spread: Float | None = None
        self._measured = False
        self._columns: tuple[str, ...] = ()
        # Read here, so that a bad file of classes is found before anything is measured.
        self._classes = find_class_names(settings.labels, prepared.card)
        self._answer = find_answer(prepared.model, settings.answer)
        if settings.nudged(ranked=settings.detectors != (DEVIATION,)):
            _ = self._nudging

    @cached_property
    def _nudging(self) -> Nudging:
        return Nudging(self._prepared, self._settings)

    def set_spread(self, spread: Float, columns: tuple[str, ...]) -> None:
        """Use the spread of features that was measured before, with their names."""
        self.spread, self._measured, self._columns = spread, True, columns

    def learn_spread(self, references: InputSource) -> Float | None:
        """Measure the spread of features on the references, once.

        Args:
            references: The references.

        Returns:
            The spread, as `feature_spread` gives it.
        """
        self.spread, self._measured = feature_spread(self._prepared, references), True
        if self.spread is not None:
            self._columns = table_columns(self._prepared.fed, references)
        return self.spread

    def check_resumed(self, stream: Stream, source: InputSource, *, referenced: bool) -> None:
        """Compare the settings with those of a stream to resume, as far as they are known before references are read.

        Args:
            stream: The stream, which has begun.
            source: The inputs.
            referenced: True if references are given.

        Raises:
            UsageError: If settings differ.
        """
        settings, old = self._settings, stream.header
        summary = None
        if settings.detectors != (DEVIATION,) and (found := old.detector_summary) is not None:
            names = dict.fromkeys(settings.detectors or (DEFAULT,))
            detectors = tuple(UsedDetector(name=name, formula="", source="") for name in names)
            rates = {"fpr": settings.fpr if settings.fdr is None else None, "fdr": settings.fdr}
            if found.rate is None:
                rates = {}
            summary = found.model_copy(update={"detectors": detectors, **rates})
        ranked = summary is not None or referenced or settings.detectors not in ((), (DEVIATION,))
        nudging = self._nudging if settings.nudged(ranked=ranked) else None
        provider = resolve(settings.provider).provider
        tf32 = settings.tf32 and provider == "cuda"
        # References are left as they were; `Stream.begin` compares them.
        stream.check(
            self._header(nudging, summary, source, provider=provider, exact=settings.exact, tf32=tf32)
        )

    def score(
        self,
        source: InputSource,
        scorer: Scorer | None,
        stream: Stream,
        *,
        references: InputSource,
        notes: tuple[str, ...],
        differing: Sequence[str] = (),
        streaming: Streaming | None = None,
        progress: Progress | None = None,
    ) -> ScoreResult:
        """Score inputs.

        Args:
            source: The inputs.
            scorer: Fitted detectors; None to compare inputs with each other only.
            stream: Stream of the run.
            references: References, to find inputs that are among them.
            notes: Notes on the detectors and references.
            differing: Notes on columns of inputs that differ from those of references.
            streaming: File of the stream; None for a temporary one.
            progress: Called with the number of inputs done and in all.

        Returns:
            The result.
        """
        prepared, settings = self._prepared, self._settings
        if stream.begun:
            expected, of = stream.header.columns, f"the inputs in {stream.path}"
            differing = [*differing, *column_notes(prepared.fed, source, expected, of)]
        sampled = prepared.sample(source, settings.limit, settings.seed)
        given = references.given or self._measured
        nudging = self._nudging if settings.nudged(ranked=scorer is not None) else None
        nudges_site = nudging is not None or (scorer is not None and scorer.nudges)
        spread = self._find_spread(sampled, references) if nudges_site else None
        nudging = nudging and nudging.scaled_by(spread)
        reader = prepared.reader(
            sampled,
            batch=settings.batch_size or _READ_BATCH,
            skip=stream.done.take if stream.begun else None,
        )
        writer = ResultWriter(stream, self._classes, self._answer)
        runner, adaptive = self._runner(nudging, scorer, stream, writer)
        begun, detectors = runner.described, scorer.described if scorer else None
        stream.begin(
            self._header(
                nudging, detectors, source, provider=begun.provider, exact=begun.exact, tf32=begun.tf32
            )
        )
        if adaptive and stream.calibration:
            _resume(adaptive, stream, stream.calibration)
        for missing in source.missing:
            writer.fail(missing.id, missing.reason)
        scoring = Phase(progress, "inputs", reader.count() if progress else None)
        digests = scorer.fitted.references.digests if scorer else frozenset()
        equal: list[str] = []
        # Closed at once if the model fails or the user gives up, so that no decoder keeps running.
        with closing(iter(reader)) as batches:
            for batch in batches:
                for failed in batch.failed:
                    writer.fail(failed.id, failed.reason)
                if len(batch):
                    runner.run(batch)
                    equal += _equal(batch, digests)
                writer.commit(runner.calibration())
                scoring.reach(writer.seen - len(source.missing))
        calibration = runner.calibration()
        writer.commit(calibration)
        run = calibration.run if calibration else runner.described
        most = streaming.most_listed if streaming else None
        with summarise(stream) as summary:
            probe_results, results = summary.probe_results(), summary.inputs(most)
            advice = summary.advice() if settings.advise else None
            used = _copies_used(adaptive, summary, writer.scored) if adaptive else None
            flagged, threshold, pairs = summary.flagged, summary.threshold, summary.copies
            failures = summary.failed(most)
        detectors = stream.header.detector_summary
        if detectors is not None:
            detectors = detectors.model_copy(update={"threshold": threshold})
        answer = describe_answer(prepared.model, settings.answer, writer.answer_problem)
        enough = bool(results) and 2 * writer.scored >= writer.seen
        rounding = (
            rounding_notes(prepared.site.name, nudging.rounding, settings, nudging.perturber, results)
            if nudging
            else []
        )
        rounded = any(note.startswith(NOT_EVALUATED) for note in rounding)
        return ScoreResult(
            status="scored" if enough and not rounded else "not_evaluated",
            settings=settings.stored,
            model=prepared.facts,
            nudges=nudging.perturber.described if nudging else None,
            site=prepared.site.name,
            feeds=prepared.feeding.described,
            preprocessing=stream.header.preprocessing,
            answer=answer,
            detector_summary=detectors,
            environment=environment(),
            run=run,
            adaptive=used,
            probes=probe_results,
            advice=advice,
            scored=writer.scored,
            flagged=flagged if detectors is not None and detectors.flags else None,
            inputs=results,
            unscored=stream.unscored,
            failed=failures,
            ignored=tuple(path.as_posix() for path in source.ignored),
            skipped_probes=calibration.skipped_probes if calibration else runner.skipped,
            notes=(
                *reader.warnings,
                *rounding,
                *batching_notes(run, prepared.model.outputs),
                *(unit_notes(spread) if scorer is not None and "jacobian" in scorer.needs else []),
                *overlap_notes(sampled.shared_with(references), equal),
                *dict.fromkeys(differing),
                *(note for note in prepared.notes if nudges_site or note not in prepared.site_note),
                *(note for note in reader.notes if note not in reader.warnings),
                *rank_notes(results, nudged=nudging is not None),
                *notes,
                *answer_notes(answer),
                *detector_notes(detectors, source, writer.scored, flagged),
                *order_notes(detectors, results),
                *run_notes(settings, run),
                *comparison_notes(probe_results, pairs),
                *advice_notes(settings, advice),
                *label_notes(settings, self._classes, results),
                *spread_notes(
                    spread if nudging is not None or (scorer is not None and scorer.needs & NUDGED) else None,
                    given=given,
                    columns=self._columns if given else reader.columns,
                ),
                *stream_notes(stream, len(results)),
            ),
        )

    def _find_spread(self, sampled: InputSource, references: InputSource) -> Float | None:
        """Return the spread of the features of a table over the references, or else the inputs."""
        if self._measured:
            return self.spread
        return self.learn_spread(references) if references.given else feature_spread(self._prepared, sampled)

    def _runner(
        self, nudging: Nudging | None, scorer: Scorer | None, stream: Stream, writer: ResultWriter
    ) -> tuple[BatchRunner, Adaptive | None]:
        """Make what runs the batches, with the choice of copies if it is adaptive."""
        prepared, settings, known = self._prepared, self._settings, stream.calibration
        if nudging is None:
            assert scorer is not None
            return DetectorRunner(scorer, prepared.feeding, writer, calibration=known), None
        prober = nudging.prober(known.skipped_probes if known else {})
        adaptive = None
        if settings.adaptive:
            adaptive = Adaptive(nudging.perturber.copies, known.copy_sums if known else ())
        runner = PerturbingRunner(
            prober,
            nudging.perturber,
            prepared.feeding,
            writer,
            exact=settings.exact,
            scorer=scorer,
            adaptive=adaptive,
            calibration=known,
        )
        return runner, adaptive

    def _header(
        self,
        nudging: Nudging | None,
        summary: DetectorSummary | None,
        source: InputSource,
        *,
        provider: Provider,
        exact: bool,
        tf32: bool,
    ) -> Header:
        prepared, settings = self._prepared, self._settings
        chosen = prepared.chosen and applied_to(prepared.chosen, row_request(prepared.fed), source)
        return Header(
            model=prepared.facts,
            nudges=nudging.perturber.described if nudging else None,
            site=prepared.site.name,
            feeds=prepared.feeding.described,
            preprocessing=chosen.describe() if chosen else None,
            answer=describe_answer(prepared.model, settings.answer).outputs,
            detector_summary=summary,
            probes=tuple(map(_described, nudging.probes)) if nudging else (),
            provider=provider,
            exact=exact,
            tf32=tf32,
            seed=settings.seed,
            batch_size=settings.batch_size,
            limit=settings.limit,
            columns=table_columns(prepared.fed, source),
            environment=environment(),
        )


def _equal(batch: Batch, digests: frozenset[bytes]) -> list[str]:
    """Name the inputs of a batch with the values of a reference."""
    if not digests:
        return []
    return [name for name, digest in zip(batch.ids, batch.digests(), strict=True) if digest in digests]


def _resume(adaptive: Adaptive, stream: Stream, known: Calibration) -> None:
    """Add the inputs of an interrupted run."""
    floor = np.array([probe.noise_floor for probe in known.probes])
    entries = (
        entry for entry in stream.entries() if isinstance(entry, ScoredInput) and None not in entry.drop
    )
    adaptive.add(((entry.drop, entry.drop_error) for entry in entries), floor)


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
