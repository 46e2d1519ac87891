"""Records of inputs, written to the stream batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Array, Float
from onnx_ood.audits._common.predictions import read_answers, why_unread
from onnx_ood.audits.score.perturbation_stats import PerturbationStats
from onnx_ood.audits.score.scoring import Scores
from onnx_ood.audits.score.stream.records import Calibration, Entry, ScoredInput, UnscoredInput
from onnx_ood.audits.score.stream.stream import Stream
from onnx_ood.detectors import published_score
from onnx_ood.evidence.finite_outputs import finite_outputs
from onnx_ood.graph import Answer
from onnx_ood.results.base import Number
from onnx_ood.runtime import Measurement

NOT_FINITE = "the model gives NaN or infinity for it"
"""Reason of failed inputs with NaN or infinity in the model's own output."""


# Of an input that is run once.
_NOT_NUDGED: Mapping[str, Any] = {
    "copies": 0, "forwards": 1, "published_score": None, "drop": (), "drop_error": (), "distortion": (),
    "flip_rate": (),
}  # fmt: skip


class NudgedBatch(NamedTuple):
    """Measurement of the nudged copies of N inputs at P probes.

    Attributes:
        stats: Statistics of the inputs.
        measured: The measurement.
        floor: Noise floor of each probe, [P].
    """

    stats: PerturbationStats
    measured: Measurement
    floor: Float

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Mask of inputs with a comparable copy at a probe, bool [N, P]."""
        return self.stats.not_comparable < self.stats.copies[:, np.newaxis]

    def numbers(self, i: int) -> dict[str, Any]:
        """Return what a record has of an input."""
        stats = self.stats
        compared = stats.not_comparable[i] < stats.copies[i]
        published: list[Number] = [None]
        if compared.any():
            published = published_score(stats.drop[i : i + 1, compared], self.floor[compared]).tolist()
        return {
            "copies": int(stats.copies[i]),
            "forwards": int(stats.forwards[i]),
            "published_score": published[0],
            "drop": _numbers(stats.drop[i]),
            "drop_error": _numbers(stats.drop_error[i]),
            "distortion": _numbers(stats.distortion[i]),
            "flip_rate": _numbers(stats.flip_rate[i]),
            "not_comparable": tuple(counts.tolist()) if (counts := stats.not_comparable[i]).any() else (),
        }


class ResultWriter:
    """Collects records of a run; they are kept in the stream only.

    Attributes:
        answer_problem: Why the model's outputs hold no predictions, or empty.
    """

    def __init__(self, stream: Stream, labels: Sequence[str] | None, answer: Answer | None = None) -> None:
        """Start with the contents of the stream.

        Args:
            stream: Stream to write to.
            labels: Class names of the model's output, or None.
            answer: Output that predictions are read from, or None.
        """
        self._stream = stream
        self._labels, self._answer = labels, answer
        self.answer_problem = ""
        self._batch: list[Entry] = []

    @property
    def seen(self) -> int:
        """Number of inputs so far, including failed ones and those of a resumed run."""
        return self._stream.scored + self._stream.unscored + len(self._batch)

    @property
    def scored(self) -> int:
        """Number of scored inputs so far, including those of a resumed run."""
        return self._stream.scored + sum(isinstance(entry, ScoredInput) for entry in self._batch)

    def fail(self, name: str, reason: str) -> None:
        """Record an input that cannot be scored, unless the stream has it already."""
        if not self._stream.done.take(name):
            self._batch.append(UnscoredInput(id=name, reason=reason))

    def add(
        self,
        ids: Sequence[str],
        outputs: Mapping[str, Array],
        scores: Scores | None,
        nudged: NudgedBatch | None = None,
    ) -> list[ScoredInput]:
        """Record inputs.

        Args:
            ids: Ids of the N inputs.
            outputs: The model's own outputs, as `Measurement.outputs`; inputs with NaN or infinity in an output are
                recorded as failed.
            scores: Scores by detectors; None without detectors.
            nudged: Measurement of their nudged copies; None if they are not nudged. Inputs with a drop that is not
                finite are recorded as failed, unless their copies are not comparable at that probe, and detectors score
                the input or it is comparable at another probe.

        Returns:
            The scored inputs, in order.
        """
        usable: NDArray[np.bool_] = np.ones(len(ids), np.bool_)
        if nudged is not None:
            usable = self._with_drops(ids, nudged, needed=scores is None)
        own = finite_outputs(outputs, len(ids))
        for i in np.flatnonzero(usable & ~own).tolist():
            self.fail(ids[i], NOT_FINITE)
        usable = usable & own
        if scores is not None:
            for i in np.flatnonzero(usable & ~scores.finite).tolist():
                self.fail(ids[i], "the model computes NaN or infinity for it, in features of the detectors")
            usable = usable & scores.finite
        answers = read_answers(outputs, self._answer)
        self.answer_problem = self.answer_problem or why_unread(outputs, self._answer)
        scored = [
            ScoredInput(
                id=ids[i],
                **(nudged.numbers(i) if nudged is not None else _NOT_NUDGED),
                scores=() if scores is None else tuple(scores.scores[i].tolist()),
                terms=() if scores is None else scores.terms[i],
                nearest_reference=None if scores is None else scores.nearest[i],
                p_value=None if scores is None or scores.p_values is None else float(scores.p_values[i]),
                flagged=None if scores is None or scores.flagged is None else bool(scores.flagged[i]),
                prediction=None if answers is None else answers.prediction(i, self._labels),
            )
            for i in np.flatnonzero(usable).tolist()
        ]
        self._batch += scored
        return scored

    def _with_drops(self, ids: Sequence[str], nudged: NudgedBatch, *, needed: bool) -> NDArray[np.bool_]:
        """Record the inputs without usable drops as failed; return a mask of the others, bool [N].

        Args:
            ids: Ids of the N inputs.
            nudged: Measurement of their copies.
            needed: True if no detector scores them: detectors do not miss drops that are not comparable.
        """
        reduced, measured, compared = nudged.stats, nudged.measured, nudged.compared
        finite = np.isfinite(reduced.drop) | ~compared
        usable: NDArray[np.bool_] = finite.min(axis=1)
        for i in np.flatnonzero(usable & ~compared.any(axis=1)).tolist() if needed else ():
            self.fail(ids[i], _why_not_comparable(measured, i))
            usable[i] = False
            finite[i] = True
        for i in np.flatnonzero(~finite.min(axis=1)).tolist():
            probe = measured.probes[int(np.argmin(finite[i]))]
            self.fail(ids[i], f"the model computes NaN or infinity for it, first seen at probe {probe!r}")
        return usable

    def commit(self, calibration: Calibration | None) -> None:
        """Write the records since the last call.

        Args:
            calibration: Current calibration; None before any measurement.
        """
        self._stream.write(self._batch, calibration)
        self._batch = []


def _why_not_comparable(measured: Measurement, i: int) -> str:
    """Return why the drops of an input cannot be measured at any probe."""
    sizes = measured.size if measured.sizes is None else measured.sizes[i]
    if not sizes.any():
        return (
            "its activations are empty at every probe: in a branch not taken, in a loop without iterations, or without "
            "elements; choose other probes"
        )
    return "not comparable with its copies: their activations differ in size or are empty at every probe"


def _numbers(values: Float) -> tuple[Number, ...]:
    return tuple(value if np.isfinite(value) else None for value in values.tolist())
