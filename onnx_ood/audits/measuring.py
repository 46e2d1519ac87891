"""Measuring batch after batch for an audit, so that an input that the model doesn't run spoils no other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.feeding import Feeding
from onnx_ood.audits.nudging import Nudger
from onnx_ood.audits.tally import Tally
from onnx_ood.exceptions import ModelError
from onnx_ood.inputs import Batch
from onnx_ood.measurement import Prober

# The noise floor and the observer effect are measured on this many inputs.
_FIRST_INPUTS = 8


class Measuring:
    """Runs batches through the model and tallies them.

    Attributes:
        floor: The noise floor of each probe, float64 [P]; 1 as long as nothing was run.
        observer_effect: How far watching moves the model's outputs, None as long as nothing was run.
    """

    def __init__(self, prober: Prober, nudger: Nudger, feeding: Feeding, tally: Tally) -> None:
        self._prober, self._nudger, self._feeding, self._tally = prober, nudger, feeding, tally
        self.floor: NDArray[np.float64] = np.ones(len(prober.probes))
        self.observer_effect: float | None = None

    def run(self, batch: Batch) -> None:
        """Measures a batch; of inputs that the model doesn't run, each is a failure of its own.

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
            if not self._tally.scored:
                raise
            for name, reason in failed.items():
                self._tally.fail(name, reason)

    def _measure(self, batch: Batch) -> None:
        if not self._tally.scored:
            first = batch.part(0, _FIRST_INPUTS)
            beside = self._feeding.others(first)
            self.floor = self._prober.noise_floor(first.tensors, beside)
            self.observer_effect = self._prober.observer_effect(first.tensors, beside)
        others = self._feeding.others(batch)
        nudges = self._nudger.nudges(self._prober, batch.tensors, others)
        self._tally.add(batch.ids, self._prober.measure(batch.tensors, nudges, others))
