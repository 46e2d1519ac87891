"""Measurement of batches; an input that the model cannot run does not affect others."""

from __future__ import annotations

from math import isnan

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits._common.predictions import finite_outputs
from onnx_ood.audits.score.adaptive import Adaptive, MeasuredInputs
from onnx_ood.audits.score.nudging import Perturber
from onnx_ood.audits.score.perturbation_stats import PerturbationStats, PerturbedBatches
from onnx_ood.audits.score.scoring import Scorer
from onnx_ood.audits.score.stream.records import CalibratedProbe, Calibration
from onnx_ood.audits.score.stream.result_writer import ResultWriter
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.exceptions import ModelError
from onnx_ood.inputs import Batch
from onnx_ood.results.base import Run
from onnx_ood.runtime import Prober

# The noise floor and the observer effect are measured on this many inputs.
_FIRST_INPUTS = 8


class BatchRunner:
    """Measures batches and writes their records."""

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
        self._prober, self._perturber, self._feeding, self._writer = prober, perturber, feeding, writer
        self._exact, self._adaptive, self._recorded = exact, adaptive, calibration
        self._scorer = scorer
        known = calibration.probes if calibration else ()
        self._names = tuple(probe.name for probe in known)
        self._units: NDArray[np.int64] = np.array([probe.units for probe in known], dtype=np.int64)
        self._floor: NDArray[np.float64] = np.array([probe.noise_floor for probe in known])
        self._active: NDArray[np.float64] = np.array([probe.active for probe in known])
        self._observer_effect = calibration.run.observer_effect if calibration else None

    def run(self, batch: Batch) -> None:
        """Measure a batch; each input that the model cannot run is a separate failure.

        Raises:
            ModelError: If the model runs none of the first batch.
        """
        while len(batch):
            together = self._adaptive.until_renewal if self._adaptive else len(batch)
            self._run(batch.part(0, together))
            batch = batch.part(together, len(batch))

    def _run(self, batch: Batch) -> None:
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

    @property
    def described(self) -> Run:
        """Facts of the run so far."""
        prober, recorded = self._prober, self._recorded
        return Run(
            provider=prober.provider,
            provider_note=prober.provider_note,
            # A resumed run does not watch the probes that were skipped before.
            placement=recorded.run.placement if recorded else prober.placement,
            fallback_nodes=recorded.run.fallback_nodes if recorded else prober.fallback_nodes,
            batch_size=prober.batch_size or 0,
            exact=self._exact,
            tf32=prober.tf32,
            observer_effect=self._observer_effect,
            batching_note=prober.batching_note,
            random_operators=prober.random_operators,
        )

    def calibration(self) -> Calibration | None:
        """Return the calibration by the first inputs; None before any measurement."""
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
        measured = self._prober.measure(batch.tensors, first_copies, others)
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
        scored = self._writer.add(batch.ids, reduced, measured, self._floor, scores)
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
                    measured = self._prober.measure(part.tensors, further, self._feeding.others(part))
                    unconverged.append(
                        (chosen, so_far.with_more(PerturbedBatches.of(measured)), clean_runs + 1)
                    )
        return PerturbationStats.joined(parts, places)
