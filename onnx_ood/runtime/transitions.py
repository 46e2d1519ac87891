"""Transitions along trajectories: changes of units' activation patterns on the way.

The patterns of two neighbouring points differ in the units that changed; a change and its reversal in between stay
hidden. So intervals are bisected until few transitions are left to find. Their number is estimated from what the last
bisection found: if patterns change at some rate, the number of hidden pairs of changes grows with the square of an
interval's length. Bisecting it finds half of them, and each half keeps a quarter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import inf, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood.exceptions import UsageError
from onnx_ood.perturb.trajectories import Trajectory
from onnx_ood.runtime.activation_patterns import ActivationPatterns, PatternReader, distances
from onnx_ood.runtime.arguments import check_feeds

TOLERANCE = 5e-4
MAX_POINTS = 16_385
# Points of the first round: knots, with more of them evenly in between.
_INITIAL_POINTS = 17
# Bisections of all intervals before some are settled: an estimate takes two.
_UNIFORM_ROUNDS = 2
# Weight of an interval's own estimate against that of intervals of its kind.
_OWN_WEIGHT = 0.25
# Hidden transitions that are tolerated where there are few transitions.
MIN_REMAINDER = 0.01
# Bytes of the patterns kept for points whose adjacent intervals aren't settled.
_MAX_KEPT_BYTES = 2**30
# Points that a trajectory often takes: the number of trajectories counted together leaves room for these.
_TYPICAL_POINTS = 1025
# Bytes of the points that are read together, in float64, and of their patterns.
_MAX_READ_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Transitions:
    """Transitions along one trajectory.

    Attributes:
        counts: Transitions found at each site, int64 [S]; a lower bound.
        remainder: Estimated number of transitions not found, at all sites together.
        converged: True if the remainder is within the tolerance.
        at: Positions of the points on the trajectory, float64 [P], ascending from 0 to 1.
        between: Transitions from each of these points to the next, int64 [P − 1].
        uniform: Number of points and of transitions after each round with evenly spaced points.
        length: Length of the trajectory in input units.
    """

    counts: NDArray[np.int64]
    remainder: float
    converged: bool
    at: NDArray[np.float64]
    between: NDArray[np.int64]
    uniform: tuple[tuple[int, int], ...]
    length: float

    @property
    def total(self) -> int:
        """Transitions at all sites."""
        return int(self.counts.sum())

    @property
    def points(self) -> int:
        """Number of points; on a closed trajectory the first counts as the last too."""
        return len(self.at)

    @property
    def density(self) -> NDArray[np.float64]:
        """Transitions per unit of t between neighbouring points, float64 [P − 1]."""
        density: NDArray[np.float64] = self.between / np.diff(self.at)
        return density


def count_transitions(
    reader: PatternReader,
    trajectories: Sequence[Trajectory],
    feeds: Mapping[str, ArrayLike] | None = None,
    *,
    tolerance: float = TOLERANCE,
    max_points: int = MAX_POINTS,
) -> list[Transitions]:
    """Count transitions along trajectories, with as many points as needed.

    Args:
        reader: Reads the activation patterns.
        trajectories: At least one, through values of the reader's site.
        feeds: Values of the model's inputs other than the site, by name: one per trajectory on the batch axis, or, for
            inputs without one, as they are.
        tolerance: Fraction of the transitions that may be left to find, by the estimate.
        max_points: Most points on one trajectory; fewer if the patterns of so many don't fit in memory.

    Returns:
        The transitions along each.

    Raises:
        UsageError: If there is no trajectory, the tolerance isn't positive, or `max_points` is too small to begin.
        ModelError: If a run fails.
    """
    if not trajectories:
        raise UsageError("no trajectories are given; give at least one")
    if not tolerance > 0:
        raise UsageError(f"the tolerance must be positive, but is {tolerance:g}")
    counters = [_Counter(trajectory, i) for i, trajectory in enumerate(trajectories)]
    needed = max(len(counter.first) for counter in counters)
    if max_points < needed:
        raise UsageError(f"a trajectory begins with {needed} points, so {max_points} are too few; allow more")
    points = _Points(reader, trajectories, feeds or {})
    room = max(_MAX_KEPT_BYTES // points.bytes_each, needed)
    together = max(1, min(room // _TYPICAL_POINTS, len(counters)))
    for first in range(0, len(counters), together):
        group = counters[first : first + together]
        _begin(group, points)
        while jobs := [
            (counter, interval)
            for counter in group
            for interval in counter.chosen(tolerance, max_points, room // together)
        ]:
            _bisect(jobs, points)
            for counter in group:
                counter.end_round()
    return [counter.result(tolerance) for counter in counters]


@dataclass(eq=False)
class _Interval:
    """A piece of a trajectory between two neighbouring points.

    Attributes:
        left: Start on the trajectory.
        right: End on the trajectory.
        ends: Patterns at both; None once it is settled.
        counts: Transitions from end to end, [S].
        hidden: Estimated number of transitions not found in it; None while unknown.
        around: Transitions found in the interval that it is a half of.
    """

    left: float
    right: float
    ends: tuple[ActivationPatterns, ActivationPatterns] | None
    counts: NDArray[np.int64]
    hidden: float | None = None
    around: int = 0

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


class _Counter:
    """The count along one trajectory.

    Attributes:
        trajectory: The trajectory.
        number: Its index.
        open: Intervals that may be bisected further.
        settled: All other intervals.
    """

    def __init__(self, trajectory: Trajectory, number: int) -> None:
        """Take a trajectory; nothing is read yet."""
        self.trajectory, self.number = trajectory, number
        self.open: list[_Interval] = []
        self.settled: list[_Interval] = []
        self._uniform: list[tuple[int, int]] = []
        self._rounds = 0

    @property
    def first(self) -> list[float]:
        """Positions of the first points: the knots, and enough points evenly between them."""
        knots = self.trajectory.knots
        pieces = -(-(_INITIAL_POINTS - 1) // (len(knots) - 1))
        inner = [np.linspace(a, b, pieces, endpoint=False) for a, b in pairwise(knots)]
        return [*np.concatenate(inner).tolist(), 1.0]

    def begin(self, patterns: ActivationPatterns) -> None:
        """Take the patterns of the first points."""
        counts = distances(patterns.subset(slice(0, -1)), patterns.subset(slice(1, None)))
        ends = [patterns.subset([row]) for row in range(len(patterns))]
        at = pairwise(self.first)
        self.open = [
            _Interval(left, right, pair, row)
            for (left, right), pair, row in zip(at, pairwise(ends), counts, strict=True)
        ]
        self._note()

    def chosen(self, tolerance: float, max_points: int, max_kept: int) -> list[_Interval]:
        """Remove and return the intervals to bisect, and settle the rest.

        Args:
            tolerance: Fraction of the transitions that may be left to find.
            max_points: Most points on the trajectory.
            max_kept: Most points whose patterns may be kept.
        """
        chosen = self.open
        if self._rounds >= _UNIFORM_ROUNDS:
            # Tolerated transitions are divided by width, so that settled intervals stay settled.
            allowed = self._allowed(tolerance)
            # If a limit has left too many behind already, more bisections are of no use.
            done = self._hidden <= allowed or _hidden_in(self.settled) > allowed
            chosen = [] if done else [i for i in chosen if (i.hidden or 0) > allowed * i.width]
            chosen.sort(key=lambda interval: -(interval.hidden or 0))
        room = min(max_points - len(self.open) - len(self.settled) - 1, max_kept // 2)
        chosen = chosen[: max(room, 0)]
        taken = {id(interval) for interval in chosen}
        for interval in self.open:
            if id(interval) not in taken:
                interval.ends = None
                self.settled.append(interval)
        self.open = []
        self._rounds += 1
        return chosen

    def end_round(self) -> None:
        """Estimate again what is hidden in open intervals, at the end of a round.

        A single interval may find few transitions by chance. So most of the estimated total is divided among all by
        the square of what was found around them, plus one for intervals without a transition.
        """
        total = sum(interval.hidden or 0 for interval in self.open)
        weights = np.array([interval.around + 1 for interval in self.open], np.float64) ** 2
        for interval, share in zip(self.open, weights * (total / max(weights.sum(), 1)), strict=True):
            interval.hidden = _OWN_WEIGHT * (interval.hidden or 0) + (1 - _OWN_WEIGHT) * float(share)
        if self.open and not self.settled:
            self._note()

    def result(self, tolerance: float) -> Transitions:
        """Return the count, once no interval is open."""
        intervals = sorted(self.settled, key=lambda interval: interval.left)
        return Transitions(
            counts=np.sum([interval.counts for interval in intervals], axis=0, dtype=np.int64),
            remainder=self._hidden,
            converged=self._hidden <= self._allowed(tolerance),
            at=np.array([*(interval.left for interval in intervals), 1.0]),
            between=np.array([interval.counts.sum() for interval in intervals], np.int64),
            uniform=tuple(self._uniform),
            length=self.trajectory.length,
        )

    def _note(self) -> None:
        self._uniform.append((len(self.open) + 1, self._total))

    def _allowed(self, tolerance: float) -> float:
        return max(tolerance * self._total, MIN_REMAINDER)

    @property
    def _total(self) -> int:
        return sum(int(interval.counts.sum()) for interval in (*self.open, *self.settled))

    @property
    def _hidden(self) -> float:
        return _hidden_in(self.open) + _hidden_in(self.settled)


def _hidden_in(intervals: Sequence[_Interval]) -> float:
    # Nothing is known of an interval that was never bisected.
    return sum(inf if interval.hidden is None else interval.hidden for interval in intervals)


class _Points:
    """Points of several trajectories, read in full runs.

    Attributes:
        bytes_each: Bytes of the patterns of one point.
    """

    def __init__(
        self, reader: PatternReader, trajectories: Sequence[Trajectory], feeds: Mapping[str, ArrayLike]
    ) -> None:
        """Read one point, for the size of its patterns."""
        self._reader, self._trajectories = reader, trajectories
        self._feeds = check_feeds(
            feeds, reader.model, reader.input if reader.site.is_input else reader.site, len(trajectories)
        )
        self._chunk = 1
        (patterns,) = self.read([(0, 0.0)])
        self.bytes_each = patterns.bytes_each
        run = (reader.batch_size or 1) * reader.concurrent_runs
        most = _MAX_READ_BYTES // max(self.bytes_each, 8 * prod(trajectories[0].shape))
        self._chunk = max(1, most // run) * run

    def read(self, at: Sequence[tuple[int, float]]) -> Iterator[ActivationPatterns]:
        """Read points.

        Args:
            at: For each the index of its trajectory, and the position on it.

        Yields:
            Patterns of points that were read together.
        """
        for first in range(0, len(at), self._chunk):
            part = at[first : first + self._chunk]
            owners = [number for number, _ in part]
            # One call per trajectory: a call per point would take longer than a small network.
            points = np.concatenate(
                [
                    self._trajectories[number].at([t for _, t in mine])
                    for number, mine in groupby(part, key=lambda place: place[0])
                ]
            )
            yield self._reader.read(points, {name: feed.at(owners) for name, feed in self._feeds.items()})


def _begin(counters: Sequence[_Counter], points: _Points) -> None:
    """Read the first points."""
    at = [(counter.number, t) for counter in counters for t in counter.first]
    patterns = ActivationPatterns.joined(list(points.read(at)))
    first = 0
    for counter in counters:
        count = len(counter.first)
        counter.begin(patterns.subset(slice(first, first + count)))
        first += count


def _bisect(jobs: Sequence[tuple[_Counter, _Interval]], points: _Points) -> None:
    """Read the middles of intervals, and replace these by their halves."""
    left = list(jobs)
    for middles in points.read([(counter.number, interval.middle) for counter, interval in jobs]):
        now, left = left[: len(middles)], left[len(middles) :]
        ends = [interval.ends for _, interval in now if interval.ends is not None]
        before = distances(ActivationPatterns.joined([start for start, _ in ends]), middles)
        after = distances(middles, ActivationPatterns.joined([end for _, end in ends]))
        for row, ((counter, interval), (start, end)) in enumerate(zip(now, ends, strict=True)):
            middle = middles.subset([row])
            found = int(before[row].sum() + after[row].sum())
            gain = found - int(interval.counts.sum())
            # By the gain alone a half hides half of it; by the previous estimate, an eighth of that. The gain is one
            # count and subject to chance, so both count.
            hidden = (
                gain / 2 + interval.width / 2 if interval.hidden is None else gain / 4 + interval.hidden / 8
            )
            counter.open += [
                _Interval(interval.left, interval.middle, (start, middle), before[row], hidden, found),
                _Interval(interval.middle, interval.right, (middle, end), after[row], hidden, found),
            ]
