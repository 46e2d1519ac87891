"""Scores and p-values of inputs by fitted detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._types import Array, Float, Progress
from onnx_ood.audits.score.result import DetectorSummary, ScoreTerm, UsedDetector, UsedTerm
from onnx_ood.audits.score.settings import DEVIATION, ScoreSettings
from onnx_ood.detectors import (
    NO_ALTERATION,
    NO_LAYER,
    CalibratedScores,
    CombinedDetector,
    Detector,
    Features,
    NearestReference,
    Need,
    calibrate,
    find_detector,
    find_feature_sources,
    flag,
)
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.fit import DetectorPipeline, FittedDetectors
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.evidence.references import ReferenceSet
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.inputs import Batch, InputSource
from onnx_ood.results.base import DetectorNudges

DEFAULT = "auto"
"""The detector used if none is named and it applies."""

_UNSUITED = (
    "The bundled photos are not used as references: most inputs activate the layers otherwise than photos do."
)


@dataclass(frozen=True)
class Scores:
    """Scores of N inputs.

    Attributes:
        scores: Scores of D detectors, float64 [N, D].
        terms: Terms of the scores of each input; none for inputs without finite features.
        nearest: Nearest reference of each input, or None.
        p_values: p-values by the first detector, float64 [N]; None without given references.
        flagged: Inputs flagged at the chosen false-positive rate, bool [N]; None if no p-value can be that small, or
            with a false-discovery rate.
        finite: Inputs with finite features, bool [N]; the scores of others are NaN.
        outputs: The model's own outputs of the runs that gave the features, as `Measurement.outputs`.
    """

    scores: Float
    terms: Sequence[tuple[ScoreTerm, ...]]
    nearest: Sequence[str | None]
    p_values: Float | None
    flagged: NDArray[np.bool_] | None
    finite: NDArray[np.bool_]
    outputs: Mapping[str, Array]


class Scorer:
    """Scores batches of inputs by fitted detectors.

    Attributes:
        reader: Measures the features.
        fitted: The fitted detectors.
        described: Summary for the result.
    """

    def __init__(
        self, reader: FeatureReader, feeding: Feeding, fitted: FittedDetectors, settings: ScoreSettings
    ) -> None:
        """Calibrate the first detector if references are given.

        Args:
            reader: Measures the features that the detectors need.
            feeding: Values of the model's inputs.
            fitted: Fitted detectors; the first one ranks and calibrates.
            settings: Settings of the audit.
        """
        self.reader, self._feeding, self._settings = reader, feeding, settings
        self._nudged = settings.nudged(ranked=True)
        references = fitted.references
        calibrated = self._calibrated = _calibrated(fitted, settings)
        learned = len(references) if fitted.detectors[0].uses_reference else 0
        if calibrated and calibrated.scorer:
            fitted = replace(fitted, fitted=(calibrated.scorer, *fitted.fitted[1:]))
            learned = len(references) - calibrated.references
        self.fitted = fitted
        self._nearest = (
            NearestReference.of(references.features, fitted.detectors[0].needs)
            if calibrated and references.features is not None
            else None
        )
        combined = fitted.combined
        fpr = settings.fpr if calibrated and settings.fdr is None else None
        self.described = DetectorSummary(
            detectors=tuple(
                _described(one, combined.get(one.name), reader.nudges_for(one.needs))
                for one in fitted.detectors
            ),
            reference=references.source,
            references=len(references),
            references_sha256=references.sha256,
            calibration=calibrated.method if calibrated else None,
            learned=learned,
            fpr=fpr,
            fdr=settings.fdr if calibrated else None,
            threshold=fpr,
            smallest_p=1 / (calibrated.references + 1) if calibrated else None,
            largest_reference=_largest_reference(combined.get(fitted.detectors[0].name)),
            layers=len(fitted.info.layers) if combined else 0,
        )

    @property
    def nudges(self) -> bool:
        """True if a detector reads features of nudged inputs."""
        return any(one.nudges for one in self.described.detectors)

    @property
    def needs(self) -> set[Need]:
        """Parts of the features that the detectors read."""
        return {need for one in self.fitted.detectors for need in one.needs}

    def score(self, batch: Batch) -> Scores:
        """Score inputs.

        Args:
            batch: N inputs.

        Raises:
            ModelError: If a run fails; names the detectors that need it.
        """
        try:
            features, outputs = self.reader.read_all(batch.tensors, self._feeding.others(batch))
        except ModelError as error:
            # A run that fails without nudges would fail without detectors, too.
            if error.__cause__ is not None and not self._nudged:
                raise
            names = ", ".join(one.name for one in self.described.detectors)
            raise ModelError(
                f"{error} (read for {names}; {named('detectors', DEVIATION)} does without)"
            ) from None
        finite = features.finite()
        scores = np.full((len(batch), len(self.fitted.detectors)), np.nan)
        terms: list[tuple[ScoreTerm, ...]] = [()] * len(batch)
        nearest: list[str | None] = [None] * len(batch)
        p_values, flagged = None, None
        rows = np.flatnonzero(finite)
        good = features.rows(rows)
        if len(rows):
            scores[rows] = self.fitted.scores(good)
            for row, values in zip(rows.tolist(), self._terms(good), strict=True):
                terms[row] = values
            if self._nearest:
                ids = self.fitted.references.ids
                for row, at in zip(rows.tolist(), self._nearest(good).tolist(), strict=True):
                    nearest[row] = ids[at]
        if self._calibrated:
            p_values = np.full(len(batch), np.nan)
            p_values[rows] = self._calibrated.p_values(good) if len(rows) else ()
            # With a false-discovery rate flags are found at the end of the run.
            if self.described.flags and self._settings.fdr is None:
                flagged = np.zeros(len(batch), np.bool_)
                flagged[rows] = flag(p_values[rows], self._settings.fpr, self._calibrated.references)
        return Scores(scores, terms, nearest, p_values, flagged, finite, outputs)

    def _terms(self, features: Features) -> list[tuple[ScoreTerm, ...]]:
        """Return the terms of the scores of N inputs."""
        names = self.reader.profiled
        inputs = len(names) - self.described.layers
        altered = self.fitted.references.alterations
        found: list[tuple[ScoreTerm, ...]] = [()] * len(features)
        for name, combined in self.fitted.combined.items():
            explained = combined.explain(features)
            towards = explained.alterations
            if towards is None:
                towards = np.full(explained.values.shape, NO_ALTERATION)
            for row, (values, layers, alterations) in enumerate(
                zip(explained.values.tolist(), explained.layers.tolist(), towards.tolist(), strict=True)
            ):
                found[row] += tuple(
                    ScoreTerm(
                        detector=name,
                        name=term.name,
                        value=value,
                        layer=None if layer == NO_LAYER else names[layer],
                        layer_number=None if layer == NO_LAYER else layer + 1 - inputs,
                        alteration=None if alteration == NO_ALTERATION else altered[alteration],
                    )
                    for term, value, layer, alteration in zip(
                        combined.terms, values, layers, alterations, strict=True
                    )
                )
        return found


def _calibrated(fitted: FittedDetectors, settings: ScoreSettings) -> CalibratedScores | None:
    """Calibrate the first detector if references are given."""
    detector, references = fitted.detectors[0], fitted.references
    if references.source != "given" or references.features is None:
        return None
    rate = settings.fpr if settings.fdr is None else settings.fdr
    return calibrate(detector, fitted.info, references.features, settings.seed, rate=rate)


def _largest_reference(combined: CombinedDetector | None) -> float | None:
    scores = None if combined is None else combined.held_out
    return None if scores is None or not len(scores) else float(scores.max())


def _described(
    detector: Detector, combined: CombinedDetector | None, nudges: DetectorNudges | None
) -> UsedDetector:
    return UsedDetector(
        name=detector.name,
        formula=detector.formula,
        source=detector.source,
        terms=tuple(UsedTerm(name=one.name, meaning=one.meaning) for one in combined.terms)
        if combined
        else (),
        left_out=dict(combined.left_out) if combined else {},
        nudges=nudges,
    )


def fit_scorer(
    prepared: PreparedModel,
    settings: ScoreSettings,
    references: InputSource,
    progress: Progress | None = None,
    *,
    inputs: InputSource | None = None,
) -> tuple[Scorer | None, tuple[str, ...]]:
    """Fit the detectors of a score audit.

    Args:
        prepared: The model.
        settings: Settings of the audit.
        references: Known-good inputs; empty for none.
        progress: Called with the number of references done and in all, then at the start of fitting.
        inputs: Inputs to score, on which the spread of features is measured without references.

    Returns:
        The scorer, None if inputs are compared with each other only; and notes for the user.

    Raises:
        UsageError: If a detector is unknown, does not apply or lacks references, or fewer than 10 references can be
            measured.
        ModelError: If the model cannot be run.
    """
    if settings.detectors == (DEVIATION,):
        if references.given:
            raise UsageError(
                f"{named('detectors', DEVIATION)} compares inputs with each other; leave out "
                f"{named('reference')}"
            )
        return None, ()
    asked = bool(settings.detectors) or references.given
    info = find_feature_sources(prepared.model, prepared.answer, batched=prepared.batched).info
    if not asked and (reason := find_detector(DEFAULT).why_not(info)):
        return None, (_fallback(reason),)
    pipeline = DetectorPipeline(
        prepared,
        settings.detectors or (DEFAULT,),
        settings,
        spread_over=references if references.given else inputs,
    )
    try:
        reader = pipeline.reader
    except ModelError as error:
        if asked:
            raise
        return None, (_fallback(str(error)),)
    known = pipeline.measure_references(references, progress=progress)
    notes: tuple[str, ...] = ()
    learns = (settings.detectors or (DEFAULT,))[0] == DEFAULT and settings.bundled_reference
    if learns and inputs is not None and not references.given and pipeline.needs_run(known, inputs):
        run = pipeline.measure_run(inputs, progress)
        if run.features is not None:
            notes = known.notes if known.features is None else (_UNSUITED,)
            known = run
    if not asked and known.features is None and pipeline.detectors[0].requires_reference(info):
        return None, (_fallback("on this model it requires references"), *known.notes)
    fitted = pipeline.fit(known, progress)
    try:
        scorer = Scorer(reader, prepared.feeding, fitted, settings)
    except ValueError as error:
        raise UsageError(
            f"detector {fitted.detectors[0].name} cannot be calibrated by these references: {error}"
        ) from None
    problem = pipeline.chosen_cache.problem if pipeline.chosen_cache else ""
    alone = (
        f"{DEFAULT} uses the model's uncertainty alone: it cannot notice inputs far from the training data; give "
        f"{named('reference')}."
    )
    uncertain = known.features is None and DEFAULT in fitted.by_name
    return scorer, (
        *([alone] if uncertain else []),
        *known.notes,
        *notes,
        *fitted.notes,
        *([f"{problem[0].upper()}{problem[1:]}."] if problem else []),
    )


def restore_scorer(
    prepared: PreparedModel, settings: ScoreSettings, references: ReferenceSet, spread: Float | None
) -> Scorer:
    """Fit the detectors of a score audit to references that were measured before.

    Args:
        prepared: The model.
        settings: Settings of the audit, those of the measurement.
        references: Measured references.
        spread: Spread of the features of a table over the references, or None.
    """
    pipeline = DetectorPipeline(
        prepared,
        settings.detectors or (DEFAULT,),
        settings,
        spread=spread,
    )
    return Scorer(pipeline.reader, prepared.feeding, pipeline.fit(references), settings)


def _fallback(reason: str) -> str:
    return (
        f"Inputs are compared with each other only: {DEFAULT} is not used ({reason}). Known-good inputs as references "
        "would improve the scores."
    )
