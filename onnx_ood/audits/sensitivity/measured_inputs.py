"""Inputs of a sensitivity audit as they are measured: Jacobian norms, the model's answers, and failures."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits._common.predictions import read_answers
from onnx_ood.audits.sensitivity.settings import SensitivitySettings
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.finite_outputs import finite_outputs
from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Answer, Rounding
from onnx_ood.inputs import Batch
from onnx_ood.results.base import Failure, Prediction
from onnx_ood.runtime import JacobianNorms, JacobianProber

# Inputs of which trajectories are made; later ones have a Jacobian norm alone.
_KEPT = 64


class MeasuredInputs:
    """Inputs of one model, with their classes and predictions.

    Attributes:
        ids: Names of those that were measured.
        norms: What was measured of each batch.
        predictions: The model's own answers, None where it gives none.
        kept: Places of the first of them that have one shape.
        points: What the site holds for each of these, [*site].
        first: The first of them, with what goes with it.
        failed: The others.
    """

    def __init__(
        self,
        prober: JacobianProber,
        feeding: Feeding,
        settings: SensitivitySettings,
        labels: Sequence[str] | None,
        answer: Answer | None = None,
        rounding: Rounding | None = None,
    ) -> None:
        """Begins without inputs.

        Args:
            prober: Measures them.
            feeding: Gives what the model's other inputs take.
            settings: The user's settings.
            labels: Names of the model's classes, if known.
            answer: Output that predictions are read from, or None.
            rounding: How the model rounds the site; differences are over its steps. None without rounding.
        """
        self._prober, self._feeding, self._settings = prober, feeding, settings
        self._labels, self._answer, self._rounding = labels, answer, rounding
        self.ids: list[str] = []
        self.norms: list[JacobianNorms] = []
        self.predictions: list[Prediction | None] = []
        self.kept: list[int] = []
        self.points: list[NDArray[Any]] = []
        self.first: Batch | None = None
        self.failed: list[Failure] = []

    def all(self, field: str) -> NDArray[np.float64]:
        """One field of the norms of all inputs, [N]."""
        return np.concatenate([getattr(norms, field) for norms in self.norms])

    def take(self, batch: Batch) -> None:
        """Measures one batch; of one that the model doesn't run, each input alone.

        Args:
            batch: The inputs, at least one.

        Raises:
            ModelError: If the model doesn't run the very first input.
        """
        prober, others = self._prober, self._feeding.others(batch)
        try:
            points = prober.prober.site_values(batch.tensors, others)
            # Directions have norm 1: so the elements of a nudge are as large as the step, on average.
            step = (
                None
                if self._rounding is None
                else self._rounding.steps(points) * prod(points.shape[1:]) ** 0.5
            )
            norms = prober.measure(
                batch.tensors, self._settings.directions, self._settings.seed, others, step=step
            )
            zero = np.zeros((1, *points.shape[1:]), np.float32)
            outputs = prober.prober.measure(batch.tensors, zero, others).outputs
        except ModelError as error:
            if len(batch) > 1:
                for i in range(len(batch)):
                    self.take(batch.part(i, i + 1))
                return
            if not self.ids:
                raise
            self.failed.append(Failure(id=batch.ids[0], reason=str(error)))
            return
        answers = read_answers(outputs, self._answer)
        finite = np.isfinite(norms.norm) & finite_outputs(outputs, len(batch))
        for i in np.flatnonzero(~finite).tolist():
            self.failed.append(Failure(id=batch.ids[i], reason="the model gives NaN or infinity for it"))
        self.norms.append(_some(norms, finite))
        for i in np.flatnonzero(finite).tolist():
            self.ids.append(batch.ids[i])
            self.predictions.append(answers.prediction(i, self._labels) if answers else None)
            if self.first is None:
                self.first = batch.part(i, i + 1)
            if len(self.kept) < _KEPT and (not self.points or self.points[0].shape == points.shape[1:]):
                self.kept.append(len(self.ids) - 1)
                self.points.append(points[i])


def _some(norms: JacobianNorms, rows: NDArray[np.bool_]) -> JacobianNorms:
    share = norms.exact_fraction
    return JacobianNorms(
        norms.norm[rows],
        norms.standard_error[rows],
        norms.step[rows],
        norms.disagreement[rows],
        norms.directions,
        norms.function,
        np.full(rows.sum(), np.nan) if share is None else share[rows],
        norms.note,
    )
