"""The pipeline from a model to fitted detectors, shared by all audits that use detectors.

Choose detectors, derive the features that they need, open a reader or the cache, measure references (given, bundled or
none, with pseudo-OOD augmentations and baseline inputs), and fit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np

from onnx_ood._progress import Phase
from onnx_ood._types import Float, Progress
from onnx_ood.detectors import (
    CombinedDetector,
    Detector,
    Features,
    FittedDetector,
    ModelInfo,
    Need,
    combination,
    fit_detector,
)
from onnx_ood.evidence.cache import CachedReader, FeatureCache
from onnx_ood.evidence.choice import choose_detectors, without_unlearned
from onnx_ood.evidence.collect import Collector
from onnx_ood.evidence.nudge_units import feature_spread
from onnx_ood.evidence.perturbed import NUDGED
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.evidence.reader import FeatureReader, ReaderFactory
from onnx_ood.evidence.references import (
    CHECKED,
    MAX_RUN,
    MIN_RUN,
    ReferenceSet,
    measure_bundled_photos,
    measure_references,
    measure_run,
    photos_suit,
    with_baseline_inputs,
)
from onnx_ood.evidence.user_cache import cache_folder, trim_cache
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.inputs import InputSource
from onnx_ood.results.note_order import WITHOUT_TERMS

# Parts of the features that a run which reads the activity has for nothing.
_WITH_ACTIVITY: frozenset[Need] = frozenset({"activity", "altered", "peaks", "features", "logits"})


class PipelineSettings(Protocol):
    """Settings of an audit that the pipeline reads."""

    @property
    def seed(self) -> int:
        """Seed of all random draws."""

    @property
    def provider(self) -> str:
        """Execution provider."""

    @property
    def batch_size(self) -> int | None:
        """Inputs in one run."""

    @property
    def cache(self) -> Path | bool:
        """Folder that keeps features between runs; True for that of the user."""

    @property
    def bundled_reference(self) -> bool:
        """True to use the bundled photos without given references."""


@dataclass(frozen=True)
class FittedDetectors:
    """Detectors fitted to a model and its references.

    Attributes:
        detectors: The D detectors, in the order of the user's.
        fitted: The fitted detectors, in the same order.
        info: Facts about the model, with baseline inputs if they were measured.
        references: The references.
        not_applicable: Reasons why detectors were left out, by name.
    """

    detectors: tuple[Detector, ...]
    fitted: tuple[FittedDetector, ...]
    info: ModelInfo
    references: ReferenceSet
    not_applicable: dict[str, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on terms that the default detector lacks on this model."""
        if not any(one.name == "auto" for one in self.detectors):
            return ()
        notes = []
        if self.info.probabilities is None:
            notes.append(
                f"auto {WITHOUT_TERMS} uncertainty term: {self.info.no_scores or 'no class scores'}."
            )
        elif self.info.head is None:
            notes.append(
                f"The uncertainty term of auto {WITHOUT_TERMS} class cosine: {self.info.no_head or 'no linear layer'}."
            )
        if not self.info.layers and self.references.features is not None:
            reason = self.combined["auto"].left_out.get("activity", "no layers")
            notes.append(
                f"auto {WITHOUT_TERMS} activity and alteration terms: {reason}. It sees how certain the answers "
                "are, not how far inputs are from the references."
            )
        return tuple(notes)

    @property
    def by_name(self) -> dict[str, FittedDetector]:
        """Fitted detectors by name."""
        return {one.name: fitted for one, fitted in zip(self.detectors, self.fitted, strict=True)}

    @cached_property
    def combined(self) -> dict[str, CombinedDetector]:
        """Detectors that are explained by terms, by name."""
        found = {name: combination(fitted) for name, fitted in self.by_name.items()}
        return {name: one for name, one in found.items() if one is not None}

    def scores(self, features: Features) -> Float:
        """Score inputs.

        Args:
            features: Features of N inputs.

        Returns:
            Scores, float64 [N, D]; higher = more out-of-distribution.
        """
        return np.stack([fitted(features) for fitted in self.fitted], axis=1)


def _fit(detector: Detector, info: ModelInfo, references: ReferenceSet) -> FittedDetector:
    try:
        return fit_detector(detector, info, references.features)
    except ValueError as error:
        # Models of references raise it for data that nothing can be learned from, such as identical inputs.
        raise UsageError(f"detector {detector.name} cannot learn from these references: {error}") from None


class DetectorPipeline:
    """Detectors of one model on the way from choice to fit.

    Attributes:
        prepared: The model.
        detectors: Detectors that apply.
        not_applicable: Reasons why others do not, by name.
        needs: Parts of the features that the detectors read.
        spread: Spread of the features of a table by which nudges are scaled; None for other units.
        cache: Cache of features, or None.
    """

    def __init__(
        self,
        prepared: PreparedModel,
        names: Sequence[str],
        settings: PipelineSettings,
        *,
        more_needs: Collection[Need] = (),
        spread_over: InputSource | None = None,
        spread: Float | None = None,
    ) -> None:
        """Choose detectors and open the cache.

        Args:
            prepared: The model.
            names: Names of detectors; empty for all that apply.
            settings: Settings of the audit.
            more_needs: Parts of the features that the audit reads itself.
            spread_over: References, or else inputs, to measure the spread of the features of a table on, which scales
                their nudges; None for no scaling.
            spread: That spread, if it was measured before.

        Raises:
            UsageError: If a named detector is unknown or does not apply, or none applies.
            OutputError: If the folder of the cache cannot be created.
        """
        self.prepared = prepared
        self.detectors, self.not_applicable = choose_detectors(
            prepared.model, names, prepared.answer, batched=prepared.batched
        )
        self.needs = {need for detector in self.detectors for need in detector.needs} | set(more_needs)
        self._named, self._settings = bool(names), settings
        self.spread = spread
        if spread is None and spread_over is not None and self.needs & {*NUDGED, "jacobian"}:
            self.spread = feature_spread(prepared, spread_over)
        self._factory = ReaderFactory(
            prepared, settings.seed, settings.provider, settings.batch_size, self.spread
        )
        self.cache = self._open_cache(settings.cache)

    def _open_cache(self, choice: Path | bool) -> FeatureCache | None:
        if isinstance(choice, Path):
            return FeatureCache(choice, self._factory)
        if not choice:
            return None
        folder = cache_folder()
        try:
            cache = FeatureCache(folder, self._factory, self.needs)
        except OutputError:
            return None  # Nobody asked for this cache: an unwritable home is not a mistake.
        trim_cache(folder)
        return cache

    @property
    def chosen_cache(self) -> FeatureCache | None:
        """Cache in a folder that the user named. Results report on no other: equal runs give equal results."""
        return self.cache if isinstance(self._settings.cache, Path) else None

    @cached_property
    def reader(self) -> FeatureReader:
        """Reader without the cache.

        Raises:
            ModelError: If onnxruntime refuses the model.
        """
        return self._factory(self.needs)

    @cached_property
    def cached_reader(self) -> FeatureReader | CachedReader:
        """Reader that uses the cache, if there is one."""
        return self.cache.reader(self.needs) if self.cache else self.reader

    def collector(self, limit: int | None = None) -> Collector[Features]:
        """Return what measures sets of inputs, with the cache.

        Args:
            limit: Maximum number of inputs of a set, or None.
        """
        return Collector(self.cached_reader, self.prepared, limit=limit, seed=self._settings.seed)

    def measure_references(
        self,
        source: InputSource,
        *,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> ReferenceSet:
        """Measure given references, or else the bundled photos if they suit the model and a detector learns from them.

        Args:
            source: Known-good inputs; empty for none.
            limit: Maximum number of references, or None.
            progress: Called with the number of references done and in all.

        Returns:
            The references.

        Raises:
            TooFewReferencesError: If fewer than 10 given references could be measured.
        """
        preprocessing = self.prepared.preprocessing
        augment = "altered" in self.needs
        if source.given:
            self.prepared.check(source)
            return measure_references(
                self._reference_collector(limit), source, preprocessing, progress, augment=augment
            )
        if not (self._settings.bundled_reference and any(one.uses_reference for one in self.detectors)):
            return ReferenceSet("none")
        if self.prepared.other_inputs and preprocessing is not None:
            return ReferenceSet(
                "none",
                note="the model has several inputs, so the bundled photos are not used as references",
            )
        if self.cache is None or not self.needs <= _WITH_ACTIVITY:
            collector = self._reference_collector(limit)
            return measure_bundled_photos(collector, preprocessing, progress, augment=augment)
        cached = partial(self.cache.whole, self.needs)
        collector = Collector(self.reader, self.prepared, seed=self._settings.seed)
        return measure_bundled_photos(collector, preprocessing, progress, augment=augment, cached=cached)

    def measure_run(self, source: InputSource, progress: Progress | None = None) -> ReferenceSet:
        """Measure up to 1,000 of the inputs to score, to serve as references; none if they cannot.

        Args:
            source: The inputs to score.
            progress: Called with the number of inputs done and in all.
        """
        return measure_run(self.collector(MAX_RUN), source, self.cached_reader.info, progress)

    def needs_run(self, photos: ReferenceSet, source: InputSource) -> bool:
        """Return whether inputs to score should serve as references: there are 20 or more, and photos do not suit.

        Args:
            photos: The bundled photos, measured; or no references.
            source: The inputs to score.
        """
        if (self.prepared.reader(source, batch=1).count() or 0) < MIN_RUN:
            return False
        return photos.features is None or not photos_suit(
            photos.features, self.collector(CHECKED).collect(source).values
        )

    def fit(self, references: ReferenceSet, progress: Progress | None = None) -> FittedDetectors:
        """Fit the detectors.

        Args:
            references: The references.
            progress: Called at the start.

        Returns:
            The fitted detectors.

        Raises:
            UsageError: If a detector that the user named lacks references, or all detectors do.
        """
        Phase(progress, f"fitting {self.detectors[0].name if len(self.detectors) == 1 else 'detectors'}")
        info = self.cached_reader.info
        detectors, unlearned = without_unlearned(
            self.detectors, info, references, named_detectors=self._named
        )
        if not self.prepared.other_inputs:
            info = with_baseline_inputs(info, references, self.collector(), self.prepared.preprocessing)
        info = replace(info, generic_references=references.source == "bundled")
        return FittedDetectors(
            tuple(detectors),
            tuple(_fit(detector, info, references) for detector in detectors),
            info,
            references,
            self.not_applicable | unlearned,
        )

    def _reference_collector(self, limit: int | None) -> Collector[Features]:
        readers = self.cache.reader if self.cache else self._factory
        return Collector(
            self.cached_reader,
            self.prepared,
            limit=limit,
            seed=self._settings.seed,
            # Nothing else is learned from altered references. A second session costs more than parts that come with it
            # for nothing.
            altering=None if self.needs <= _WITH_ACTIVITY else lambda: readers(self.needs & _WITH_ACTIVITY),
        )
