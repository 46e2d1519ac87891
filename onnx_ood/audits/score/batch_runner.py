"""Measurement of batches; an input that the model cannot run does not affect others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.audits.score.adaptive import Adaptive, MeasuredInputs
from onnx_ood.audits.score.nudging import Perturber
from onnx_ood.audits.score.perturbation_stats import PerturbationStats, PerturbedBatches
from onnx_ood.audits.score.scoring import Scorer
from onnx_ood.audits.score.stream.records import CalibratedProbe, Calibration
from onnx_ood.audits.score.stream.result_writer import NudgedBatch, ResultWriter
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.finite_outputs import finite_outputs
from onnx_ood.exceptions import ModelError
from onnx_ood.inputs import Batch
from onnx_ood.results.base import Run
from onnx_ood.runtime import ChannelReader, Prober

# The noise floor and the observer effect are measured on this many inputs.
_FIRST_INPUTS = 8


class BatchRunner(ABC):
    """Runs batches and writes their records."""

    def __init__(self, runs: Prober | ChannelReader, feeding: Feeding, writer: ResultWriter) -> None:
        """Start a run, or continue one.

        Args:
            runs: Runs the model.
            feeding: Values of the model's other inputs.
            writer: Writes the records.
        """
        self._runs, self._feeding, self._writer = runs, feeding, writer

    def run(self, batch: Batch) -> None:
        """Measure a batch; each input that the model cannot run is a separate failure.

        Raises:
            ModelError: If the model runs none of the first batch.
        """
        try:
            self._measure(batch)
        except ModelError:
            failed = {}
            for i, name in enumerate(batch.ids):
                try:
                    self._measure(batch.part(i, i + 1))
                except ModelError as error:
                    failed[name] = str(error)
            if not self._writer.scored:
                raise
            for name, reason in failed.items():
                self._writer.fail(name, reason)

    @abstractmethod
    def _measure(self, batch: Batch) -> None:
        """Measure a batch, write its records, and update the calibration."""

    @abstractmethod
    def calibration(self) -> Calibration | None:
        """Return the calibration by the first inputs; None before any measurement."""

    @property
    def skipped(self) -> dict[str, str]:
        """Probes that cannot be measured, with the reason."""
        return {}

    @property
    def described(self) -> Run:
        """Facts of the run so far."""
        runs = self._runs
        return Run(
            provider=runs.provider,
            provider_note=runs.provider_note,
            placement=runs.placement,
            fallback_nodes=runs.fallback_nodes,
            batch_size=runs.batch_size or 0,
            exact=False,
            tf32=False,
            observer_effect=None,
            batching_note=runs.batching_note,
            random_operators=runs.random_operators,
        )


class DetectorRunner(BatchRunner):
    """Runs each input once: detectors score it, and the outputs of the same run hold its prediction."""

    def __init__(
        self,
        scorer: Scorer,
        feeding: Feeding,
        writer: ResultWriter,
        *,
        calibration: Calibration | None = None,
    ) -> None:
        """Start a run, or continue one.

        Args:
            scorer: Scores inputs; its reader reads the model's own outputs.
            feeding: Values of the model's other inputs.
            writer: Writes the records.
            calibration: Calibration of the resumed run, or None.
        """
        assert scorer.reader.channels is not None
        super().__init__(scorer.reader.channels, feeding, writer)
        self._scorer, self._recorded = scorer, calibration

    @override
    def _measure(self, batch: Batch) -> None:
        scores = self._scorer.score(batch)
        self._writer.add(batch.ids, scores.outputs, scores)

    @override
    def calibration(self) -> Calibration | None:
        if self._runs.batch_size is None:
            return self._recorded
        return Calibration(run=self.described, probes=(), skipped_probes={}, copy_sums=())


class PerturbingRunner(BatchRunner):
    """Measures nudged copies of each input."""

    def __init__(
        self,
        prober: Prober,
        perturber: Perturber,
        feeding: Feeding,
        writer: ResultWriter,
        *,
        exact: bool,
        scorer: Scorer | None = None,
        adaptive: Adaptive | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Start a run, or continue one.

        Args:
            prober: Runs the model.
            perturber: Makes the nudges.
            feeding: Values of the model's other inputs.
            writer: Writes the records.
            exact: True if the model runs without fusions.
            scorer: Scores inputs by detectors; None to compare inputs only with each other.
            adaptive: Chooses the copies of each input; None for all copies.
            calibration: Calibration of the resumed run, or None.
        """
        super().__init__(prober, feeding, writer)
        self._prober, self._perturber = prober, perturber
        self._exact, self._adaptive, self._recorded = exact, adaptive, calibration
        self._scorer = scorer
        known = calibration.probes if calibration else ()
        self._names = tuple(probe.name for probe in known)
        self._units: NDArray[np.int64] = np.array([probe.units for probe in known], dtype=np.int64)
        self._floor: NDArray[np.float64] = np.array([probe.noise_floor for probe in known])
        self._active: NDArray[np.float64] = np.array([probe.active for probe in known])
        self._observer_effect = calibration.run.observer_effect if calibration else None

    @override
    def run(self, batch: Batch) -> None:
        while len(batch):
            together = self._adaptive.until_renewal if self._adaptive else len(batch)
            super().run(batch.part(0, together))
            batch = batch.part(together, len(batch))

    @property
    @override
    def skipped(self) -> dict[str, str]:
        return self._prober.skipped

    @property
    @override
    def described(self) -> Run:
        found: dict[str, Any] = {
            "exact": self._exact,
            "tf32": self._prober.tf32,
            "observer_effect": self._observer_effect,
        }
        if self._recorded:
            # A resumed run does not watch the probes that were skipped before.
            run = self._recorded.run
            found |= {"placement": run.placement, "fallback_nodes": run.fallback_nodes}
        return super().described.model_copy(update=found)

    @override
    def calibration(self) -> Calibration | None:
        if self._prober.batch_size is None or not self._names:
            return self._recorded
        skipped = (self._recorded.skipped_probes if self._recorded else {}) | self._prober.skipped
        return Calibration(
            run=self.described,
            probes=tuple(
                CalibratedProbe(name=name, units=units, noise_floor=floor, active=active)
                for name, units, floor, active in zip(
                    self._names,
                    self._units.tolist(),
                    self._floor.tolist(),
                    self._active.tolist(),
                    strict=True,
                )
            ),
            skipped_probes={name: reason for name, reason in skipped.items() if name not in self._names},
            copy_sums=self._adaptive.sums if self._adaptive else (),
        )

    @override
    def _measure(self, batch: Batch) -> None:
        if not self._writer.scored:
            first = batch.part(0, _FIRST_INPUTS)
            first_others = self._feeding.others(first)
            self._floor = self._prober.noise_floor(first.tensors, first_others)
            effect = self._prober.observer_effect(first.tensors, first_others)
            self._observer_effect = None if isnan(effect) else effect
        others = self._feeding.others(batch)
        nudges = self._perturber.nudges(self._prober, batch.tensors, others)
        known = self._adaptive.known if self._adaptive else None
        first_copies = self._perturber.some(nudges, slice(known.rounds[0] if known else None))
        measured = self._perturber.measure(self._prober, batch.tensors, first_copies, others)
        if not self._writer.scored:
            self._names, self._units = measured.probes, measured.size
            # All copies have the same clean activation.
            sizes = measured.size if measured.sizes is None else np.maximum(measured.sizes, 1)
            self._active = (measured.active[:, 0] / sizes).mean(axis=0)
        if lost := [name for name in self._names if name not in measured.probes]:
            raise ModelError(
                f"probe {lost[0]!r} is empty for it or for an earlier input, but not for the first; choose other probes"
            )
        found = PerturbedBatches.of(measured)
        reduced = self._in_rounds(batch, nudges, found, known) if known else PerturbationStats.of(found)
        scores = self._scorer.score(batch) if self._scorer else None
        nudged = NudgedBatch(reduced, measured, self._floor)
        scored = self._writer.add(batch.ids, measured.outputs, scores, nudged)
        if self._adaptive:
            usable = np.isfinite(reduced.drop).all(axis=1) & finite_outputs(measured.outputs, len(batch))
            if scores is not None:
                usable &= scores.finite
            self._adaptive.add(
                [(entry.drop, entry.drop_error) for entry in scored if None not in entry.drop],
                self._floor,
                None if known else found.drop[usable],
            )

    def _in_rounds(
        self, batch: Batch, nudges: NDArray[np.floating], found: PerturbedBatches, known: MeasuredInputs
    ) -> PerturbationStats:
        """Measure further copies of inputs until all have converged; inputs with equal numbers share runs.

        Args:
            batch: N inputs.
            nudges: All nudges for them.
            found: Measurements with the copies of the first round.
            known: Estimates that determine the copies.
        """
        unconverged = [(np.arange(len(batch)), found, 1)]
        parts, places = [], []
        while unconverged:
            rows, found, clean_runs = unconverged.pop()
            copies = found.drop.shape[1]
            wanted = known.effects.copies_needed(
                np.where(found.comparable, found.drop, 0.0), known.reference, known.rounds
            )
            for more in np.unique(wanted).tolist():
                alike = wanted == more
                chosen, so_far = rows[alike], found.at(alike)
                if more == copies:
                    scale = known.effects.scale(copies)
                    parts.append(PerturbationStats.of(so_far, clean_runs=clean_runs, scale=scale))
                    places.append(chosen)
                else:
                    part = batch.take(chosen)
                    further = self._perturber.some(nudges, slice(copies, more), chosen)
                    others = self._feeding.others(part)
                    measured = self._perturber.measure(self._prober, part.tensors, further, others)
                    unconverged.append(
                        (chosen, so_far.with_more(PerturbedBatches.of(measured)), clean_runs + 1)
                    )
        return PerturbationStats.joined(parts, places)
