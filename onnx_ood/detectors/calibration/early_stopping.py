"""Early stopping: how many nudged copies an input needs before further ones would hardly change its rank.

Nudges are shared by all inputs, so part of a copy's effect on a drop is common to all inputs: a draw that rotates the
first layers far does so for all. As long as all inputs have the same copies, that changes no rank. For an input with
fewer copies it is removed: drops are scaled by the effect of these draws on the inputs with all copies (the ratio
estimator of sample surveys: Cochran, Sampling Techniques, 3rd edition 1977, chapter 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.deviation import RobustStats, robust_stats, robust_z
from onnx_ood.metrics.estimates import standard_error
from onnx_ood.metrics.quantiles import Values

MIN_COPIES = 4
"""Fewest copies: of two or three the standard error itself is hardly known."""

TOLERANCE = 0.02
"""Largest share of the scores of other inputs within one standard error of a converged input's score."""


def plan_rounds(copies: int) -> tuple[int, ...]:
    """Return the numbers of copies after each round: a quarter of all, half of them, all; at least `MIN_COPIES`.

    There are few rounds because each runs the clean input once more.

    Args:
        copies: K, the number of all copies.

    Returns:
        Numbers in ascending order; the last is K.

    >>> plan_rounds(16), plan_rounds(6), plan_rounds(2)
    ((4, 8, 16), (4, 6), (2,))
    """
    return tuple(sorted({min(copies, max(MIN_COPIES, -(-copies // part))) for part in (4, 2, 1)}))


@dataclass(frozen=True)
class ScoreDistribution:
    """Distribution of the deviation scores of M inputs.

    Attributes:
        stats: Statistics of their log drops at the P probes.
        scores: Their deviation scores, float64 [M], ascending.
    """

    stats: RobustStats
    scores: Float

    @staticmethod
    def learn(drops: Float, errors: Float, floor: Float) -> ScoreDistribution | None:
        """Learn from inputs.

        Args:
            drops: Mean cosine drops over copies, float64 [M, P].
            errors: Their standard errors, float64 [M, P].
            floor: Noise floor of each probe, float64 [P].

        Returns:
            The distribution; None for fewer than `MIN_INPUTS` inputs or if no probe has any spread.
        """
        stats = robust_stats(map(Values.of, drops.T), floor)
        return (
            None if stats is None else ScoreDistribution(stats, np.sort(robust_z(drops, errors, stats).score))
        )

    def share_within(self, scores: Float, errors: Float) -> Float:
        """Return the share of the distribution within an error of each score, both sides together.

        The distribution is linear between scores, with half a score's share on either side of each, so that shares
        below that of one score differ.

        Args:
            scores: Scores, float64 [N].
            errors: Errors, float64 [N], at least 0.

        Returns:
            Shares, float64 [N], from 0 to 1.
        """
        places = (np.arange(len(self.scores)) + 0.5) / len(self.scores)
        low, high = (
            np.interp(ends, self.scores, places, left=0, right=1)
            for ends in (scores - errors, scores + errors)
        )
        share: Float = high - low
        return share

    def converges_at(self, scores: Float, spread: Float, rounds: Sequence[int]) -> NDArray[np.int64]:
        """Return the number of copies at which at most `TOLERANCE` is within the standard error.

        With a standard deviation s between copies, the mean over all K copies is known from k up to s·√(1/k − 1/K), the
        standard error of k of K draws (Cochran, section 2.6).

        Args:
            scores: Deviation scores, float64 [N].
            spread: Their standard deviations between copies, float64 [N].
            rounds: Numbers of copies to choose from, ascending; the last is K, at which every input has converged.

        Returns:
            The smallest sufficient number for each input, int64 [N].
        """
        chosen = np.full(len(scores), rounds[-1])
        for copies in reversed(rounds):
            errors = spread * np.sqrt(1 / copies - 1 / rounds[-1])
            chosen[self.share_within(scores, errors) <= TOLERANCE] = copies
        return chosen


@dataclass(frozen=True)
class CopyEffects:
    """Effect of each copy on the drops of all inputs.

    Attributes:
        relative: Drop of a copy over the mean over all K copies, averaged over inputs with all copies, float64 [K, P].
    """

    relative: Float

    def scale(self, copies: int) -> Float:
        """Return the factor from the mean over the first copies to the mean over all, float64 [P]; 1 for all copies."""
        if copies == len(self.relative):
            return np.ones(self.relative.shape[1])
        mean = self.relative[:copies].mean(axis=0)
        scale: Float = np.divide(1.0, mean, out=np.ones_like(mean), where=mean > 0)
        return scale

    def linearise(self, drops: Float, stats: RobustStats) -> tuple[Float, Float]:
        """Estimate the deviation score from the first copies, and its spread between copies.

        The effect of each copy on every log drop, beyond its effect on all inputs, is weighted with the derivative of
        the score by that log drop and summed over probes. So effects that are common to probes count.

        Args:
            drops: Cosine drops at the first k copies, float64 [N, k, P], finite.
            stats: Statistics at the P probes.

        Returns:
            Scores, and the standard deviations of these sums over copies, float64 [N] each.
        """
        copies, probes = drops.shape[1], int(stats.used.sum())
        scale = self.scale(copies)
        means, errors = drops.mean(axis=1), standard_error(drops)
        found = robust_z(means * scale, errors * scale, stats)
        raised = np.maximum(means * scale, stats.floor)
        spread = np.sqrt(stats.spread**2 + (errors * scale / raised) ** 2)
        # The derivative of a root mean square by its arguments; if all are 0, as if all moved in the same direction.
        length = np.sqrt(np.sum(found.deviations**2, axis=1, keepdims=True))
        direction = np.divide(
            found.deviations, length, out=np.full_like(means, 1 / np.sqrt(probes)), where=length > 0
        )
        moves = (means * scale > stats.floor) & stats.used
        slope = np.divide(direction, spread * np.sqrt(probes), out=np.zeros_like(means), where=moves)
        own = np.divide(drops, means[:, np.newaxis], out=np.ones_like(drops), where=moves[:, np.newaxis])
        beyond = own - self.relative[:copies] * scale
        return found.score, np.sum(beyond * slope[:, np.newaxis], axis=2).std(axis=1, ddof=1)

    def copies_needed(
        self, drops: Float, distribution: ScoreDistribution, rounds: Sequence[int]
    ) -> NDArray[np.int64]:
        """Return the number of copies that each input needs.

        Args:
            drops: Cosine drops at the first k copies, float64 [N, k, P].
            distribution: Scores of other inputs.
            rounds: Numbers of copies to choose from, ascending; k is one of them, K the last.

        Returns:
            Numbers, int64 [N]: k for an input that has converged, or with a drop that is not finite, since its score
            will not be either. Otherwise the first later round at which it converges if all else stays the same.
        """
        copies = drops.shape[1]
        needed = np.full(len(drops), copies)
        finite: NDArray[np.bool_] = np.isfinite(drops).min(axis=(1, 2))
        if finite.any():
            scores, spread = self.linearise(drops[finite], distribution.stats)
            needed[finite] = distribution.converges_at(scores, spread, [k for k in rounds if k >= copies])
        return needed
