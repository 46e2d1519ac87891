"""When more copies would hardly change an input's rank by strangeness.

The nudges are shared by all inputs, so part of what a copy does to a drop it does to every input's: a draw that turns
the first layers far turns them far for all. That changes no rank as long as all inputs have the same copies. Where
an input has fewer, it is taken out: drops are scaled by what the inputs that have all copies tell about these draws
(the ratio estimator of sample surveys: Cochran, Sampling Techniques, 3rd edition 1977, chapter 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.deviation import RobustStats, compare, robust_stats
from onnx_ood.metrics.estimates import standard_error
from onnx_ood.metrics.quantiles import Values

MIN_COPIES = 4
"""Of two or three copies the standard error itself is hardly known."""

TOLERANCE = 0.02
"""The share of the reference's scores that may lie within one standard error of a settled input's."""


def plan_rounds(copies: int) -> tuple[int, ...]:
    """How many copies an input has after each round: a quarter of all, half of them and all, but at least 4.

    There are few rounds, because each runs the clean input once more.

    Args:
        copies: K, all copies.

    Returns:
        Ascending; the last is K.
    """
    return tuple(sorted({min(copies, max(MIN_COPIES, -(-copies // part))) for part in (4, 2, 1)}))


@dataclass(frozen=True)
class Reference:
    """What the scores of other inputs are.

    Attributes:
        usual: What is usual at the P probes.
        scores: Strangeness of the M inputs, ascending.
    """

    usual: RobustStats
    scores: Float

    @staticmethod
    def learn(drops: Float, errors: Float, floor: Float) -> Reference | None:
        """Learns from inputs.

        Args:
            drops: Mean cosine drop over copies, [M, P].
            errors: Its standard error, [M, P].
            floor: Noise floor of each probe, [P].

        Returns:
            None if they are fewer than 8, or no probe has any spread.
        """
        usual = robust_stats(map(Values.of, drops.T), floor)
        return None if usual is None else Reference(usual, np.sort(compare(drops, errors, usual).score))

    def share_within(self, scores: Float, errors: Float) -> Float:
        """The share of the reference that lies within an error of each score, on both sides together.

        The distribution is taken as linear between the scores of the reference, with half a score's share on either
        side of each, so that shares less than one score are told apart.

        Args:
            scores: [N].
            errors: [N], at least 0.

        Returns:
            [N], from 0 to 1.
        """
        places = (np.arange(len(self.scores)) + 0.5) / len(self.scores)
        low, high = (
            np.interp(ends, self.scores, places, left=0, right=1)
            for ends in (scores - errors, scores + errors)
        )
        share: Float = high - low
        return share

    def settles_at(self, scores: Float, spread: Float, rounds: Sequence[int]) -> NDArray[np.int64]:
        """With how many copies inputs are settled: with so few that at most `TOLERANCE` is within the standard error.

        With a standard deviation s from copy to copy, the mean over all K copies is known from k to s·√(1/k − 1/K): the
        standard error of k of K draws (Cochran, section 2.6).

        Args:
            scores: Strangeness, [N].
            spread: Its standard deviation from copy to copy, [N].
            rounds: The numbers of copies to choose from, ascending; the last is K, at which every input is settled.

        Returns:
            The first of them that is enough, [N].
        """
        chosen = np.full(len(scores), rounds[-1])
        for copies in reversed(rounds):
            errors = spread * np.sqrt(1 / copies - 1 / rounds[-1])
            chosen[self.share_within(scores, errors) <= TOLERANCE] = copies
        return chosen


@dataclass(frozen=True)
class CopyEffects:
    """What each copy does to the drops of all inputs.

    Attributes:
        relative: The drop of a copy over the mean over all K copies, mean over inputs that have all, [K, P].
    """

    relative: Float

    def scale(self, copies: int) -> Float:
        """What makes the mean over the first copies stand for the mean over all, [P]; 1 for all of them."""
        if copies == len(self.relative):
            return np.ones(self.relative.shape[1])
        mean = self.relative[:copies].mean(axis=0)
        scale: Float = np.divide(1.0, mean, out=np.ones_like(mean), where=mean > 0)
        return scale

    def linearise(self, drops: Float, usual: RobustStats) -> tuple[Float, Float]:
        """The strangeness by the first copies, and by how much it differs from copy to copy.

        Of each copy, what it adds to every log drop beyond what it adds for all inputs is weighted with the derivative
        of the strangeness by that log drop, and summed up over probes. So what probes have in common counts.

        Args:
            drops: Cosine drops at the first k copies, [N, k, P], finite.
            usual: What is usual at the P probes.

        Returns:
            Strangeness, and the standard deviation of these sums over copies; [N] each.
        """
        copies, probes = drops.shape[1], int(usual.used.sum())
        scale = self.scale(copies)
        means, errors = drops.mean(axis=1), standard_error(drops)
        compared = compare(means * scale, errors * scale, usual)
        raised = np.maximum(means * scale, usual.floor)
        spread = np.sqrt(usual.spread**2 + (errors * scale / raised) ** 2)
        # The derivative of a root mean square by what goes into it; where all is 0, as if all went the same way.
        length = np.sqrt(np.sum(compared.deviations**2, axis=1, keepdims=True))
        direction = np.divide(
            compared.deviations, length, out=np.full_like(means, 1 / np.sqrt(probes)), where=length > 0
        )
        moves = (means * scale > usual.floor) & usual.used
        slope = np.divide(direction, spread * np.sqrt(probes), out=np.zeros_like(means), where=moves)
        own = np.divide(drops, means[:, np.newaxis], out=np.ones_like(drops), where=moves[:, np.newaxis])
        beyond = own - self.relative[:copies] * scale
        return compared.score, np.sum(beyond * slope[:, np.newaxis], axis=2).std(axis=1, ddof=1)

    def copies_wanted(self, drops: Float, reference: Reference, rounds: Sequence[int]) -> NDArray[np.int64]:
        """How many copies inputs should have.

        Args:
            drops: Cosine drops at the first k copies, [N, k, P].
            reference: Other inputs.
            rounds: The numbers of copies to choose from, ascending; k is one of them, K the last.

        Returns:
            [N]. k for an input that is settled, and for one with a drop that is not finite, as no number will come of
            it. Else the first later round at which it will be settled if all else stays as it is.
        """
        copies = drops.shape[1]
        wanted = np.full(len(drops), copies)
        finite: NDArray[np.bool_] = np.isfinite(drops).min(axis=(1, 2))
        if finite.any():
            scores, spread = self.linearise(drops[finite], reference.usual)
            wanted[finite] = reference.settles_at(scores, spread, [k for k in rounds if k >= copies])
        return wanted
