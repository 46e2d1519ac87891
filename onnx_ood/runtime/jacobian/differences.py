"""Central differences along directions, by forward passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood import metrics
from onnx_ood._types import Array, Float, FloatArray
from onnx_ood.perturb.directions import Directions
from onnx_ood.runtime.host import PerturbationGroup
from onnx_ood.runtime.prober import Prober
from onnx_ood.runtime.statistics import pair_statistics, prepare_clean


class Differences:
    """Central differences of one batch.

    Attributes:
        probabilities: The softmax of the clean logits, [N, C], or None if the function has no softmax.
    """

    def __init__(
        self,
        prober: Prober,
        probe: str,
        patterns: Sequence[str],
        batch: ArrayLike,
        directions: Directions,
        feeds: Mapping[str, ArrayLike] | None,
        *,
        softmax: bool,
    ) -> None:
        """Take a batch; with a softmax, run it once without nudges.

        Args:
            prober: Runs the model.
            probe: Name of the tensor to difference.
            patterns: Names of tensors whose sign changes are counted.
            batch: Values of the model's input, [N, *input].
            directions: Directions of the nudges.
            feeds: As in `Prober.measure`.
            softmax: True to apply a softmax if the tensor has one row of class scores per input.
        """
        self._prober, self._probe, self._patterns = prober, probe, tuple(patterns)
        self._batch, self._directions, self._feeds = batch, directions, feeds
        self.probabilities = self._softmax() if softmax else None

    def squares(
        self, numbers: NDArray[np.int64], steps: Float, flips: NDArray[np.int64] | None = None
    ) -> Float:
        """Compute ‖J q‖² of every input.

        The softmax is not differenced: J = (diag(p) − p·pᵀ)·J_logits, so neither its curvature nor its rounding near
        one-hot probabilities adds an error. Steps are rounded to the site's dtype.

        Args:
            numbers: Indices of directions, [M].
            steps: h of each input, [N].
            flips: [N, M]; increased by the number of units of the pattern tensors that switch between both sides.

        Returns:
            float64 [N, M]; not finite where an activation isn't, NaN where a step is too small to move the input.
        """
        found = np.full((len(steps), len(numbers)), np.nan)

        def nudges(inputs: list[int], number: int) -> list[FloatArray]:
            direction = self._directions[int(numbers[number])]
            nudge = steps[inputs].reshape(-1, *[1] * direction.ndim) * direction
            return [-nudge, nudge]

        def reduce(group: PerturbationGroup) -> None:
            before, after = group.values
            if before.shape != after.shape:
                return  # Not comparable: the size depends on the data.
            at = (group.inputs, group.number)
            if group.probe in switched:
                switched[group.probe][at] = pair_statistics(prepare_clean(before), after).flips
            if group.probe == self._probe:
                length = squared_distance(*group.sites)
                with np.errstate(divide="ignore", invalid="ignore"):
                    found[at] = self._moved(group.inputs, before, after) / length

        # One array per tensor, since a run may be repeated.
        switched = {
            name: np.zeros(found.shape, np.int64) for name in (self._patterns if flips is not None else ())
        }
        self._prober.run_groups(self._batch, len(numbers), nudges, reduce, self._feeds)
        if flips is not None:
            flips += sum(switched.values())
        return found

    def _moved(self, inputs: list[int], before: Array, after: Array) -> Float:
        """‖f(x + h·q) − f(x − h·q)‖², [R]."""
        if self.probabilities is None:
            return squared_distance(before, after)
        change = (after.astype(np.float64) - before).reshape(len(before), -1)
        moved: Float = (metrics.through_softmax(self.probabilities[inputs], change) ** 2).sum(axis=1)
        return moved

    def _softmax(self) -> Float | None:
        clean: dict[int, Array] = {}

        def keep(group: PerturbationGroup) -> None:
            if group.probe == self._probe:
                clean.update(zip(group.inputs, group.values[0], strict=True))

        shape = self._directions.shape
        self._prober.run_groups(
            self._batch,
            1,
            lambda inputs, _: [np.zeros((len(inputs), *shape), np.float32)],
            keep,
            self._feeds,
        )
        logits = np.stack([clean[i] for i in range(len(clean))])
        # The single row of a sample is the batch axis.
        return metrics.softmax(logits[:, 0]) if _is_head(logits.shape[1:]) else None


def _is_head(sample: tuple[int, ...]) -> bool:
    """Return whether one input's sample of an output is a row of class scores."""
    return len(sample) == 2 and sample[0] == 1 and sample[1] > 1


def squared_distance(one: Array, other: Array) -> Float:
    """‖other − one‖² of each row, [R, ...] → float64 [R].

    >>> squared_distance(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]]))
    array([25.])
    """
    return pair_statistics(prepare_clean(one), other).dd
