"""Collecting what was measured, a few numbers an input, and turning it into results at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.predictions import Answers, read_answers
from onnx_ood.audits.score_result import InputResult, Number, Prediction, ProbeResult
from onnx_ood.detectors import Relative, published_score, relative_score
from onnx_ood.graph import Suggestion
from onnx_ood.measurement import Measurement

Float = NDArray[np.float64]


class Tally:
    """The inputs of one audit as they come in.

    What is kept are a few arrays a batch, not objects an input: small blocks that live long among large ones that
    come and go would keep memory from being given back.

    Attributes:
        failed: Names of inputs that could not be scored, each with its reason, in order of arrival.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self.failed: list[tuple[str, str]] = []
        self._ids: list[str] = []
        self._parts: dict[str, list[Float]] = {"drop": [], "error": [], "distortion": [], "flip_rate": []}
        self._answers: list[tuple[Answers | None, NDArray[np.int64]]] = []
        self._units: NDArray[np.int64] | None = None

    @property
    def seen(self) -> int:
        """Inputs that came in, failed ones included."""
        return len(self._ids) + len(self.failed)

    @property
    def scored(self) -> int:
        """Inputs that can be scored."""
        return len(self._ids)

    def fail(self, name: str, reason: str) -> None:
        """Notes an input that can't be scored."""
        self.failed.append((name, reason))

    def add(self, ids: Sequence[str], measured: Measurement) -> None:
        """Reduces one measured batch to a few numbers an input.

        Args:
            ids: Names of the N inputs.
            measured: Their measurement; inputs with a statistic that is not finite are noted as failed.
        """
        drops = measured.cosine_drop()
        finite: NDArray[np.bool_] = np.isfinite(drops).min(axis=1)  # [N, P]
        usable: NDArray[np.bool_] = finite.min(axis=1)
        for i in np.flatnonzero(~usable).tolist():
            probe = measured.probes[int(np.argmin(finite[i]))]
            self.fail(ids[i], f"the model computes NaN or infinity for it, first seen at probe {probe!r}")
        good = np.flatnonzero(usable)
        self._units = measured.size
        self._ids.extend(ids[i] for i in good.tolist())
        self._answers.append((read_answers(measured.outputs), good))
        self._parts["drop"].append(drops[good].mean(axis=1))
        self._parts["error"].append(_standard_error(drops[good]))
        self._parts["distortion"].append(measured.distortion()[good].mean(axis=1))
        self._parts["flip_rate"].append(measured.flip_rate()[good].mean(axis=1))

    def summary(self, floor: Float, labels: Sequence[str] | None) -> Summary:
        """Everything that was tallied, ready to be made into results.

        Args:
            floor: Noise floor of each probe, [P].
            labels: Class names of the model's output, or None.
        """
        empty = np.empty((0, len(floor)))
        predictions: list[Prediction | None] = [
            None if answers is None else answers.prediction(int(i), labels)
            for answers, good in self._answers
            for i in good
        ]
        return Summary(
            self._ids,
            {name: np.concatenate([empty, *parts]) for name, parts in self._parts.items()},
            predictions,
            floor,
            np.zeros(len(floor), dtype=np.int64) if self._units is None else self._units,
        )


class Summary:
    """The scored inputs of an audit and what was measured of them."""

    def __init__(
        self,
        ids: Sequence[str],
        measured: dict[str, Float],
        predictions: Sequence[Prediction | None],
        floor: Float,
        units: NDArray[np.int64],
    ) -> None:
        """Takes what a tally collected.

        Args:
            ids: Names of the N inputs.
            measured: `drop`, `error`, `distortion` and `flip_rate`, [N, P] each.
            predictions: What the model says of each input.
            floor: Noise floor of each probe, [P].
            units: Units of each probe, [P].
        """
        self._ids = ids
        self._measured = measured
        self._predictions = predictions
        self._floor = floor
        self._units = units

    @cached_property
    def _relative(self) -> Relative | None:
        return relative_score(self._measured["drop"], self._measured["error"], self._floor)

    def probes(self, suggested: Sequence[Suggestion]) -> tuple[ProbeResult, ...]:
        """Summarises each probe over the inputs.

        Args:
            suggested: The P probes and why they were chosen.

        Returns:
            One result a probe; none if no input was scored.
        """
        drops, floor = self._measured["drop"], self._floor
        if not len(drops):
            return ()
        low, middle, high = np.percentile(drops, [5, 50, 95], axis=0)
        return tuple(
            ProbeResult(
                name=suggestion.tensor.name,
                op=suggestion.tensor.op,
                depth=suggestion.tensor.depth,
                units=int(self._units[p]),
                reason=suggestion.reason,
                noise_floor=float(floor[p]),
                above_floor=float(np.mean(drops[:, p] > floor[p])),
                drop_low=float(low[p]),
                drop_median=float(middle[p]),
                drop_high=float(high[p]),
                distortion_median=_number(np.median(self._measured["distortion"][:, p])),
                flip_rate_median=float(np.median(self._measured["flip_rate"][:, p])),
                compared=bool(self._relative is not None and self._relative.used[p]),
            )
            for p, suggestion in enumerate(suggested)
        )

    def inputs(self) -> tuple[InputResult, ...]:
        """The inputs, strangest first; in order of arrival where there are too few to compare."""
        relative = self._relative
        published = published_score(self._measured["drop"], self._floor)
        order = np.arange(len(self._ids)) if relative is None else np.argsort(-relative.score, kind="stable")
        return tuple(self._input(int(i), rank, float(published[i])) for rank, i in enumerate(order, start=1))

    def _input(self, i: int, rank: int, published: float) -> InputResult:
        relative = self._relative
        deviation = None if relative is None else relative.deviations[i]
        return InputResult(
            id=self._ids[i],
            rank=None if relative is None else rank,
            strangeness=None if relative is None else float(relative.score[i]),
            direction=None if deviation is None else "more" if deviation.mean() > 0 else "less",
            published=published,
            drop=_numbers(self._measured["drop"][i]),
            drop_error=_numbers(self._measured["error"][i]),
            distortion=_numbers(self._measured["distortion"][i]),
            flip_rate=_numbers(self._measured["flip_rate"][i]),
            deviation=None if deviation is None else _numbers(deviation),
            prediction=self._predictions[i],
        )


def _standard_error(values: Float) -> Float:
    """Standard error of the mean over copies, [N, K, P] → [N, P]; NaN for one copy, which has none."""
    copies = values.shape[1]
    if copies == 1:
        return np.full((len(values), values.shape[2]), np.nan)
    error: Float = values.std(axis=1, ddof=1) / np.sqrt(copies)
    return error


def _number(value: float | np.floating) -> Number:
    return float(value) if np.isfinite(value) else None


def _numbers(values: Float) -> tuple[Number, ...]:
    return tuple(_number(value) for value in values)
