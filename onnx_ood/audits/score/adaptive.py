"""Adaptive copies: inputs get further copies while these can change their rank.

`detectors/calibration/early_stopping.py` has the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from onnx_ood._dialect import named
from onnx_ood._types import Float
from onnx_ood.detectors import MIN_COPIES, TOLERANCE, CopyEffects, ScoreDistribution, plan_rounds
from onnx_ood.exceptions import UsageError

# Drops of an input and their standard errors, at the P probes.
Scored = tuple[Sequence[float | None], Sequence[float | None]]

# Inputs that get all copies. Effects of copies and scores of inputs are estimated from them.
_FIRST = 32
# Most inputs that others are compared with; of more, every second, fourth, ... is used.
_MAX_COMPARED = 512


def check_adaptive(copies: int, provider: str) -> None:
    """Refuse adaptive copies if they cannot save runs.

    Args:
        copies: All copies of an input.
        provider: Execution provider.

    Raises:
        UsageError: If there are too few copies, or the model runs on CUDA.
    """
    if copies <= MIN_COPIES:
        raise UsageError(
            f"{named('adaptive', True)} gives every input at least {MIN_COPIES} copies, so it saves nothing with "
            f"{named('copies', copies)}; set more copies, such as 16, or leave it out"
        )
    if provider == "cuda":
        raise UsageError(
            f"{named('adaptive', True)} saves nothing on CUDA, where an input and all its copies share a run; leave it "
            f"out, or use {named('provider', 'cpu')}"
        )


class MeasuredInputs(NamedTuple):
    """Estimates from measured inputs that determine the number of copies of others.

    Attributes:
        rounds: Number of copies after each round.
        effects: Effect of each copy on the drops of all inputs.
        reference: Distribution of the scores of other inputs.
    """

    rounds: tuple[int, ...]
    effects: CopyEffects
    reference: ScoreDistribution


class Adaptive:
    """Estimates the number of copies of each input from the inputs before it.

    The first 32 inputs get all copies. Later ones are compared with those before them; the estimates are renewed after
    32, 64, 128, ... scored inputs. So the copies of an input depend on the inputs before it and on their order, but not
    on batches.

    Attributes:
        copies: K, all copies.
        known: Current estimates; None while inputs get all copies.
    """

    def __init__(self, copies: int, sums: Sequence[Sequence[float]] = ()) -> None:
        """Start without inputs.

        Args:
            copies: K.
            sums: `sums` of the interrupted run, when resuming.
        """
        self.copies = copies
        self._sums: Float | None = np.array(sums) if sums else None
        self._seen = 0
        self._renewal = _FIRST
        self._stride = 1
        self._drops: list[Float] = []
        self._errors: list[Float] = []
        self.known: MeasuredInputs | None = None

    @property
    def rule(self) -> str:
        """The rule in words."""
        rounds = ", ".join(map(str, plan_rounds(self.copies)))
        return (
            f"copies up to {rounds}, until at most {TOLERANCE:.0%} of the inputs "
            f"before have a deviation within one standard error; the first {_FIRST} inputs get all"
        )

    @property
    def sums(self) -> tuple[tuple[float, ...], ...]:
        """Drops divided by their mean over copies, summed over the first inputs, [K, P]."""
        return () if self._sums is None else tuple(map(tuple, self._sums.tolist()))

    @property
    def until_renewal(self) -> int:
        """Number of inputs that can be measured together before the estimates are renewed."""
        return self._renewal - self._seen

    def add(self, scored: Iterable[Scored], floor: Float, copies: Float | None = None) -> None:
        """Add scored inputs in order, starting with those of a resumed run.

        Args:
            scored: N inputs; with `copies`, not beyond the next renewal.
            floor: Noise floor of each probe, [P].
            copies: Cosine drops of all K copies, [N, K, P]; None after the first inputs.
        """
        if copies is not None and self._seen < _FIRST:
            self._add_copies(copies)
        for drops, errors in scored:
            if self._seen % self._stride == 0:
                if len(self._drops) == _MAX_COMPARED:
                    self._stride *= 2
                    self._drops, self._errors = self._drops[::2], self._errors[::2]
                self._drops.append(np.array(drops, dtype=np.float64))
                self._errors.append(np.array(errors, dtype=np.float64))
            self._seen += 1
            if self._seen == self._renewal:
                self._renew(floor)

    def _add_copies(self, drops: Float) -> None:
        means = drops.mean(axis=1, keepdims=True)
        relative = np.divide(drops, means, out=np.ones_like(drops), where=means > 0)
        for one in relative:
            # One by one, so that the sum does not depend on batches.
            self._sums = one if self._sums is None else self._sums + one

    def _renew(self, floor: Float) -> None:
        if self._sums is None:
            raise AssertionError("the first inputs need their copies")
        self._renewal *= 2
        reference = ScoreDistribution.learn(np.array(self._drops), np.array(self._errors), floor)
        effects = CopyEffects(self._sums / _FIRST)
        self.known = MeasuredInputs(plan_rounds(self.copies), effects, reference) if reference else None
