"""Which inputs get further copies: those whose rank they may still change. The rule is in `detectors/settling.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors import MIN_COPIES, TOLERANCE, CopyEffects, ScoreDistribution, plan_rounds
from onnx_ood.exceptions import UsageError

# Of an input, its drops and their standard errors at the P probes.
Scored = tuple[Sequence[float], Sequence[float | None]]

# So many inputs get all copies: what they tell about the copies and about other inputs' scores decides from then on.
_FIRST = 32
# Inputs whose scores decide, at most; of more, every second, fourth, ... is taken.
_MOST = 512


def check_adaptive(copies: int, provider: str) -> None:
    """Refuses to adapt where nothing can be saved.

    Args:
        copies: All copies of an input.
        provider: Where the model runs.

    Raises:
        UsageError: If there are too few copies, or the model runs on CUDA.
    """
    if copies <= MIN_COPIES:
        raise UsageError(
            f"--adaptive gives every input {MIN_COPIES} copies or more, so with --copies {copies} it saves nothing: "
            "state more copies, 16 for instance, or leave it out"
        )
    if provider == "cuda":
        raise UsageError(
            "--adaptive saves nothing on CUDA, where an input goes through together with all its copies: leave it "
            "out, or use --provider cpu"
        )


class MeasuredInputs(NamedTuple):
    """What decides about copies.

    Attributes:
        rounds: How many an input has after each round.
        effects: What each copy does to the drops of all inputs.
        reference: What the scores of other inputs are.
    """

    rounds: tuple[int, ...]
    effects: CopyEffects
    reference: ScoreDistribution


class Adaptive:
    """What the inputs of a run tell about those that follow.

    The first 32 inputs get all copies. From then on, inputs are compared with those before them; what is known of
    those is renewed after 32, 64, 128, ... scored inputs. So what an input gets depends on the inputs before it, on
    their order too, but not on how they were put into batches.

    Attributes:
        copies: K, all copies.
        known: What inputs are compared with; None where they get all copies.
    """

    def __init__(self, copies: int, sums: Sequence[Sequence[float]] = ()) -> None:
        """Starts.

        Args:
            copies: K.
            sums: What `sums` was when the run that is gone on with was interrupted.
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
            f"before have a strangeness within one standard error; the first {_FIRST} inputs get all"
        )

    @property
    def sums(self) -> tuple[tuple[float, ...], ...]:
        """For each copy and probe, drops over the mean over copies, summed up over the first inputs; [K, P]."""
        return () if self._sums is None else tuple(map(tuple, self._sums.tolist()))

    @property
    def until_renewal(self) -> int:
        """How many inputs can be measured together before what is known is renewed."""
        return self._renewal - self._seen

    def add(self, scored: Iterable[Scored], floor: Float, copies: Float | None = None) -> None:
        """Takes inputs that were scored, in order; first of all those of a run that is gone on with.

        Args:
            scored: N inputs, not beyond the next renewal where they come with copies.
            floor: Noise floor of each probe, [P].
            copies: Their cosine drops at each of all copies, [N, K, P]; None where they need not have all.
        """
        if copies is not None and self._seen < _FIRST:
            self._add_copies(copies)
        for drops, errors in scored:
            if self._seen % self._stride == 0:
                if len(self._drops) == _MOST:
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
            # One after the other, so that the sum is the same however the inputs were put into batches.
            self._sums = one if self._sums is None else self._sums + one

    def _renew(self, floor: Float) -> None:
        if self._sums is None:
            raise AssertionError("the first inputs come with their copies")
        self._renewal *= 2
        reference = ScoreDistribution.learn(np.array(self._drops), np.array(self._errors), floor)
        effects = CopyEffects(self._sums / _FIRST)
        self.known = MeasuredInputs(plan_rounds(self.copies), effects, reference) if reference else None
