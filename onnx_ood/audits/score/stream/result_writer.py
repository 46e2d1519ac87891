"""Making records of what came of inputs, and handing them to the stream batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits._common.predictions import read_answers
from onnx_ood.audits.score.perturbation_stats import PerturbationStats
from onnx_ood.audits.score.scoring import Scores
from onnx_ood.audits.score.stream.records import Calibration, Entry, ScoredInput, UnscoredInput
from onnx_ood.audits.score.stream.stream import Stream
from onnx_ood.detectors import published_score
from onnx_ood.results.base import Number
from onnx_ood.runtime import Measurement


class ResultWriter:
    """The inputs of one run as they come in. Nothing of them is kept but in the stream."""

    def __init__(self, stream: Stream, labels: Sequence[str] | None) -> None:
        """Starts with what is in the stream.

        Args:
            stream: Where everything goes.
            labels: Class names of the model's output, or None.
        """
        self._stream = stream
        self._labels = labels
        self._batch: list[Entry] = []

    @property
    def seen(self) -> int:
        """Inputs that came in, failed ones included, and those of the run that is resumed."""
        return self._stream.scored + self._stream.unscored + len(self._batch)

    @property
    def scored(self) -> int:
        """Inputs that can be scored, and those of the run that is resumed."""
        return self._stream.scored + sum(isinstance(entry, ScoredInput) for entry in self._batch)

    def fail(self, name: str, reason: str) -> None:
        """Notes an input that can't be scored, unless the stream has it from before."""
        if not self._stream.done.take(name):
            self._batch.append(UnscoredInput(id=name, reason=reason))

    def add(
        self,
        ids: Sequence[str],
        reduced: PerturbationStats,
        measured: Measurement,
        floor: Float,
        judged: Scores | None,
    ) -> list[ScoredInput]:
        """Takes inputs that were measured.

        Args:
            ids: Names of the N inputs.
            reduced: Their numbers; inputs with a drop that is not finite are noted as failed.
            measured: Their measurement, for its probes and the model's own outputs.
            floor: Noise floor of each probe, [P].
            judged: What detectors say of them; None where none is asked.

        Returns:
            Those that are scored, in order.
        """
        finite = np.isfinite(reduced.drop)
        usable: NDArray[np.bool_] = finite.min(axis=1)
        for i in np.flatnonzero(~usable).tolist():
            probe = measured.probes[int(np.argmin(finite[i]))]
            self.fail(ids[i], f"the model computes NaN or infinity for it, first seen at probe {probe!r}")
        if judged is not None:
            for i in np.flatnonzero(usable & ~judged.finite).tolist():
                self.fail(ids[i], "the model computes NaN or infinity for it, in what detectors read")
            usable = usable & judged.finite
        answers = read_answers(measured.outputs)
        good = np.flatnonzero(usable)
        published = published_score(reduced.drop[good], floor)
        scored = [
            ScoredInput(
                id=ids[i],
                copies=int(reduced.copies[i]),
                forwards=int(reduced.forwards[i]),
                scores=() if judged is None else tuple(judged.scores[i].tolist()),
                p_value=None if judged is None or judged.p_values is None else float(judged.p_values[i]),
                flagged=None if judged is None or judged.flagged is None else bool(judged.flagged[i]),
                published_score=float(score),
                drop=tuple(reduced.drop[i].tolist()),
                drop_error=_numbers(reduced.drop_error[i]),
                distortion=_numbers(reduced.distortion[i]),
                flip_rate=tuple(reduced.flip_rate[i].tolist()),
                prediction=None if answers is None else answers.prediction(i, self._labels),
            )
            for i, score in zip(good.tolist(), published, strict=True)
        ]
        self._batch += scored
        return scored

    def commit(self, calibration: Calibration | None) -> None:
        """Writes the inputs that came in since the last time.

        Args:
            calibration: What the first inputs told; None if none was measured yet.
        """
        self._stream.write(self._batch, calibration)
        self._batch = []


def _numbers(values: Float) -> tuple[Number, ...]:
    return tuple(value if np.isfinite(value) else None for value in values.tolist())
