"""Measuring batch after batch for an audit, so that an input that the model doesn't run spoils no other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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

    def __init__(self, prober: Prober, nudger: Nudger, tally: Tally) -> None:
        self._prober, self._nudger, self._tally = prober, nudger, tally
        self.floor: NDArray[np.float64] = np.ones(len(prober.probes))
        self.observer_effect: float | None = None

    def run(self, batch: Batch) -> None:
        """Measures a batch; of inputs that the model doesn't run, each is a failure of its own.

        Raises:
            ModelError: If the model runs none of the first batch.
        """
        try:
            self._measure(batch.ids, batch.tensors)
        except ModelError:
            failed = {}
            for i, name in enumerate(batch.ids):
                try:
                    self._measure([name], batch.tensors[i : i + 1])
                except ModelError as error:
                    failed[name] = str(error)
            if not self._tally.scored:
                raise
            for name, reason in failed.items():
                self._tally.fail(name, reason)

    def _measure(self, ids: Sequence[str], tensors: NDArray[np.generic]) -> None:
        if not self._tally.scored:
            self.floor = self._prober.noise_floor(tensors[:_FIRST_INPUTS])
            self.observer_effect = self._prober.observer_effect(tensors[:_FIRST_INPUTS])
        nudges = self._nudger.nudges(self._prober, tensors)
        self._tally.add(ids, self._prober.measure(tensors, nudges))
