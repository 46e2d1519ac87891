"""Collecting what was measured, a few numbers an input, and turning it into results at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.predictions import predict
from onnx_ood.audits.score_result import InputResult, Number, Prediction, ProbeResult
from onnx_ood.detectors import Relative, published_score, relative_score
from onnx_ood.graph import Suggestion
from onnx_ood.measurement import Measurement

Float = NDArray[np.float64]


class Tally:
    """The inputs of one audit as they come in.

    Attributes:
        failed: Names of inputs that could not be scored, each with its reason, in order of arrival.
    """

    def __init__(self, labels: Sequence[str] | None) -> None:
        """Starts empty.

        Args:
            labels: Class names of the model's output, or None.
        """
        self.failed: list[tuple[str, str]] = []
        self._labels = labels
        self._ids: list[str] = []
        self._predictions: list[Prediction | None] = []
        self._rows: dict[str, list[Float]] = {"drop": [], "error": [], "distortion": [], "flip_rate": []}
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
        distortion = measured.distortion()
        flip_rate = measured.flip_rate()
        predictions: Sequence[Prediction | None] = predict(measured.outputs, self._labels) or [None] * len(
            ids
        )
        self._units = measured.size
        for i, name in enumerate(ids):
            broken = ~np.isfinite(drops[i]).all(axis=0)
            if broken.any():
                probe = measured.probes[int(np.argmax(broken))]
                self.fail(name, f"the model computes NaN or infinity for it, first seen at probe {probe!r}")
                continue
            self._ids.append(name)
            self._predictions.append(predictions[i])
            self._rows["drop"].append(drops[i].mean(axis=0))
            self._rows["error"].append(_standard_error(drops[i]))
            self._rows["distortion"].append(distortion[i].mean(axis=0))
            self._rows["flip_rate"].append(flip_rate[i].mean(axis=0))

    def probe_results(self, suggested: Sequence[Suggestion], floor: Float) -> tuple[ProbeResult, ...]:
        """Summarises each probe over the scored inputs.

        Args:
            suggested: The P probes and why they were chosen.
            floor: Noise floor of each, [P].
        """
        if self._units is None or not self._ids:
            return ()
        drops, distortion, flips = (np.stack(self._rows[key]) for key in ("drop", "distortion", "flip_rate"))
        relative = self._relative(floor)
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
                distortion_median=_number(np.median(distortion[:, p])),
                flip_rate_median=float(np.median(flips[:, p])),
                compared=bool(relative is not None and relative.used[p]),
            )
            for p, suggestion in enumerate(suggested)
        )

    def input_results(self, floor: Float) -> tuple[InputResult, ...]:
        """The scored inputs, strangest first; in order of arrival where there are too few to compare.

        Args:
            floor: Noise floor of each probe, [P].
        """
        if not self._ids:
            return ()
        relative = self._relative(floor)
        published = published_score(np.stack(self._rows["drop"]), floor)
        order = np.arange(len(self._ids)) if relative is None else np.argsort(-relative.score, kind="stable")
        return tuple(
            self._input(int(i), rank, relative, float(published[i])) for rank, i in enumerate(order, start=1)
        )

    def _input(self, i: int, rank: int, relative: Relative | None, published: float) -> InputResult:
        deviation = None if relative is None else relative.deviations[i]
        return InputResult(
            id=self._ids[i],
            rank=None if relative is None else rank,
            strangeness=None if relative is None else float(relative.score[i]),
            direction=None if deviation is None else "more" if deviation.mean() > 0 else "less",
            published=published,
            drop=_numbers(self._rows["drop"][i]),
            drop_error=_numbers(self._rows["error"][i]),
            distortion=_numbers(self._rows["distortion"][i]),
            flip_rate=_numbers(self._rows["flip_rate"][i]),
            deviation=None if deviation is None else _numbers(deviation),
            prediction=self._predictions[i],
        )

    def _relative(self, floor: Float) -> Relative | None:
        return relative_score(np.stack(self._rows["drop"]), np.stack(self._rows["error"]), floor)


def _standard_error(values: Float) -> Float:
    """Standard error of the mean over the first axis; NaN for one value, which has none."""
    copies = len(values)
    if copies == 1:
        return np.full(values.shape[1:], np.nan)
    error: Float = values.std(axis=0, ddof=1) / np.sqrt(copies)
    return error


def _number(value: float | np.floating) -> Number:
    return float(value) if np.isfinite(value) else None


def _numbers(values: Float) -> tuple[Number, ...]:
    return tuple(_number(value) for value in values)
