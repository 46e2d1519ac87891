"""Judging inputs as they come: the scores of detectors, and p-values where known-good inputs are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits.score.result import DetectorSummary, UsedDetector
from onnx_ood.audits.score.settings import DEVIATION, ScoreSettings
from onnx_ood.detectors import Detector, ModelInfo, calibrate, find_detector, find_feature_sources, flag
from onnx_ood.evidence.cache import FeatureCache
from onnx_ood.evidence.choice import choose_detectors, learnable
from onnx_ood.evidence.collect import Collector
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.reader import FeatureReader, MakesReaders
from onnx_ood.evidence.references import (
    ReferenceSet,
    measure_bundled_photos,
    measure_references,
    with_baseline_inputs,
)
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import Model, Tensor
from onnx_ood.inputs import Batch, Preprocessing

_DEFAULT = "auto"


@dataclass(frozen=True)
class Scores:
    """What detectors say of N inputs.

    Attributes:
        scores: Of each of D detectors, float64 [N, D].
        p_values: By the first detector, float64 [N]; None without references that were given.
        flagged: Whether they are strange at the rate that was asked for, bool [N]; None where p-values can't tell.
        finite: Whether the model gives numbers for them, [N]; where not, the rest says nothing.
    """

    scores: Float
    p_values: Float | None
    flagged: NDArray[np.bool_] | None
    finite: NDArray[np.bool_]


class Scorer:
    """Detectors that are ready to score.

    Attributes:
        described: What it goes by, for the result.
    """

    def __init__(
        self,
        reader: FeatureReader,
        info: ModelInfo,
        feeding: Feeding,
        detectors: Sequence[Detector],
        known: ReferenceSet,
        rate: float,
        seed: int,
    ) -> None:
        """Lets detectors learn.

        Args:
            reader: Measures what they need.
            info: What is known of the model.
            feeding: Knows the values of the model's other inputs.
            detectors: Detectors that apply, the first of which ranks and calibrates.
            known: References.
            rate: False-positive rate of flags.
            seed: Seed of what p-values draw.
        """
        self._reader, self._feeding, self._rate = reader, feeding, rate
        self._scorers = [detector.fit(info, known.evidence) for detector in detectors]
        self._calibrated = (
            calibrate(detectors[0], info, known.evidence, seed)
            if known.source == "given" and known.evidence is not None
            else None
        )
        self.described = DetectorSummary(
            detectors=tuple(
                UsedDetector(name=one.name, formula=one.formula, source=one.source) for one in detectors
            ),
            reference=known.source,
            references=len(known.evidence) if known.evidence is not None else 0,
            references_sha256=_digest(known.ids) if known.ids else None,
            fpr=rate if self._calibrated else None,
            smallest_p=1 / (self._calibrated.references + 1) if self._calibrated else None,
        )

    def judge(self, batch: Batch) -> Scores:
        """Scores inputs.

        Raises:
            ModelError: If a run fails; the way out is named.
        """
        try:
            evidence = self._reader.read(batch.tensors, self._feeding.others(batch))
        except ModelError as error:
            names = ", ".join(one.name for one in self.described.detectors)
            raise ModelError(f"{error} (read for {names}; --detectors {DEVIATION} does without)") from None
        finite = evidence.finite()
        scores = np.full((len(batch), len(self._scorers)), np.nan)
        p_values, flagged = None, None
        rows = np.flatnonzero(finite)
        good = evidence.rows(rows)
        if len(rows):
            scores[rows] = np.stack([scorer(good) for scorer in self._scorers], axis=1)
        if self._calibrated:
            p_values = np.full(len(batch), np.nan)
            p_values[rows] = self._calibrated.p_values(good) if len(rows) else ()
            if self.described.flags:
                flagged = np.zeros(len(batch), np.bool_)
                flagged[rows] = flag(p_values[rows], self._rate, self._calibrated.references)
        return Scores(scores, p_values, flagged, finite)


def choose_scorer(
    model: Model,
    fed: Tensor,
    feeding: Feeding,
    settings: ScoreSettings,
    reference: Sequence[str],
    preprocessing: Preprocessing | None,
    step: Callable[[int], None] | None = None,
) -> tuple[Scorer | None, tuple[str, ...]]:
    """Makes the detectors ready that a score goes by.

    Args:
        model: The model.
        fed: The input that files feed.
        feeding: Knows the values of the others.
        settings: What is asked for.
        reference: Known-good inputs: files, folders or globs.
        preprocessing: How pictures become tensors, or None.
        step: Called with the number of references of each batch that is done.

    Returns:
        The judge, None where inputs are to be compared with each other alone; and what a reader should know of it.

    Raises:
        UsageError: If a detector is unknown, doesn't apply or lacks references, or fewer than 10 references can be
            measured.
        ModelError: If the model can't be run.
    """
    if settings.detectors == (DEVIATION,):
        if reference:
            raise UsageError(
                f"--detectors {DEVIATION} compares inputs with each other: leave out --reference"
            )
        return None, ()
    asked = bool(settings.detectors or reference)
    if not asked and (reason := find_detector(_DEFAULT).why_not(find_feature_sources(model).info)):
        return None, (_fallback(reason),)
    detectors, lacking = choose_detectors(model, settings.detectors or (_DEFAULT,))
    needs = {need for detector in detectors for need in detector.needs}
    making = MakesReaders(model, fed, preprocessing, settings.seed, settings.provider, settings.batch_size)
    try:
        reader = making(needs)
    except ModelError as error:
        if asked:
            raise
        return None, (_fallback(str(error)),)
    known = ReferenceSet("none")
    # References are the same from run to run, so that they are what a cache is for.
    cache = None if settings.cache is None else FeatureCache(settings.cache, making)
    readers = cache.reader if cache else making
    collector = Collector(
        readers(needs) if cache else reader, fed, preprocessing, None, settings.seed, feeding
    )
    if reference or (settings.bundled_reference and any(detector.uses_reference for detector in detectors)):
        augmenting = None
        if "altered" in needs:
            # Altered references are learnt from by their activity alone.
            augmenting = Collector(readers({"layers"}), fed, preprocessing, None, settings.seed, feeding)
        if reference:
            known = measure_references(collector, augmenting, reference, preprocessing, step)
        elif len(model.inputs) > 1:
            known = ReferenceSet(
                "none", note="the model has other inputs too, so that the bundled photos are no reference"
            )
        else:
            known = measure_bundled_photos(collector, augmenting, preprocessing, step)
    if not asked and known.evidence is None and detectors[0].requires_reference(reader.info):
        return None, (_fallback("on this model it learns from references alone"), *_noted(known))
    detectors = learnable(detectors, reader.info, known, lacking, asked=True)
    info = reader.info
    if len(model.inputs) == 1:
        info = with_baseline_inputs(info, known, collector, preprocessing)
    judge = Scorer(reader, info, feeding, detectors, known, settings.fpr, settings.seed)
    problem = (f"{cache.problem[0].upper()}{cache.problem[1:]}.",) if cache and cache.problem else ()
    return judge, (*_noted(known), *problem)


def _fallback(reason: str) -> str:
    return (
        f"Inputs are compared with each other alone; {_DEFAULT} is not used: {reason}. Known-good inputs, with "
        "--reference, would tell more."
    )


def _noted(known: ReferenceSet) -> tuple[str, ...]:
    notes = [f"{known.note[0].upper()}{known.note[1:]}."] if known.note else []
    if known.failed:
        first = known.failed[0]
        notes.append(
            f"{len(known.failed)} references could not be measured; the first: {first.id}: {first.reason}"
        )
    return tuple(notes)


def _digest(ids: Sequence[str]) -> str:
    return sha256("\n".join(ids).encode()).hexdigest()
