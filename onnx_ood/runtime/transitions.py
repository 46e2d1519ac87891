"""Counting transitions along trajectories: how often units change their codes on the way.

Codes of two neighbouring points tell how many units changed; what changes and changes back in between stays hidden. So
intervals are bisected until few transitions are left to find. How many are, is estimated from what bisecting found
last: where codes change at some rate, the number of pairs of changes hidden in an interval grows with the square of its
length. Bisecting it finds half of them, and each half keeps a quarter.
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
from onnx_ood.runtime.arguments import check_feeds
from onnx_ood.runtime.patterns import ActivationPatterns, PatternReader, distances

TOLERANCE = 5e-4
MAX_POINTS = 16_385
# Points to begin with: knots, with more of them evenly in between.
_FIRST = 17
# Bisections of all intervals before some are left as they are: it takes two to see what one finds.
_ALL = 2
# How much an interval's own estimate counts beside that of intervals of its kind.
_OWN = 0.25
# Where there are few transitions, this much of one may be left to find.
LEFT = 0.01
# Bytes of the codes that are kept for points whose neighbourhood isn't settled.
_KEPT_BYTES = 2**30
# Points that a trajectory may well take: of no more trajectories at one time are codes kept than leaves room for these.
_COMMON = 1025
# Bytes of the points that are read at one time, in float64, and of their codes.
_READ_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Transitions:
    """Transitions along one trajectory.

    Attributes:
        counts: Transitions at each site, int64 [S]: what was found, a lower bound.
        remainder: Estimate of how many more there are at all sites together.
        converged: True if that is within the tolerance.
        at: Where on the trajectory points were read, float64 [P], ascending from 0 to 1.
        between: Transitions from each of these points to the next, int64 [P − 1].
        uniform: What samples had found while the intervals between knots were cut evenly: their number of points and
            of transitions, for each round.
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
        """How many points were read; of a closed trajectory the first counts as the last too."""
        return len(self.at)

    @property
    def density(self) -> NDArray[np.float64]:
        """Transitions for each unit of t, between neighbouring points, float64 [P − 1]."""
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
    """Counts transitions along trajectories, with as many points as that takes.

    Args:
        reader: Reads the codes.
        trajectories: At least one, through values of the reader's site.
        feeds: Values of the model's inputs that are not the site, by name: one for each trajectory on the batch axis,
            or, where they have none, as they are.
        tolerance: Share of the transitions that may be left to find, by the estimate.
        max_points: Points on one trajectory at most. Where codes are so large that those of so many points can't be
            kept, fewer are taken.

    Returns:
        The transitions along each.

    Raises:
        UsageError: If there is no trajectory, the tolerance isn't positive, or the points don't suffice to begin.
        ModelError: If a run fails.
    """
    if not trajectories:
        raise UsageError("there is no trajectory to count transitions along")
    if not tolerance > 0:
        raise UsageError(f"the tolerance must be positive, but is {tolerance:g}")
    walks = [_Walk(trajectory, i) for i, trajectory in enumerate(trajectories)]
    needed = max(len(walk.first) for walk in walks)
    if max_points < needed:
        raise UsageError(f"a trajectory begins with {needed} points, so {max_points} are too few; allow more")
    points = _Points(reader, trajectories, feeds or {})
    room = max(_KEPT_BYTES // points.bytes_each, needed)
    together = max(1, min(room // _COMMON, len(walks)))
    for first in range(0, len(walks), together):
        beside = walks[first : first + together]
        _begin(beside, points)
        while jobs := [
            (walk, interval)
            for walk in beside
            for interval in walk.chosen(tolerance, max_points, room // together)
        ]:
            _bisect(jobs, points)
            for walk in beside:
                walk.share_out()
    return [walk.result(tolerance) for walk in walks]


@dataclass(eq=False)
class _Interval:
    """A piece of a trajectory between two neighbouring points.

    Attributes:
        left: Where it begins.
        right: Where it ends.
        ends: Codes at both; None once it is settled.
        counts: Transitions from end to end, [S].
        hidden: Estimate of how many more are in it, None as long as nothing is known.
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


class _Walk:
    """The count along one trajectory.

    Attributes:
        trajectory: The trajectory.
        number: Which one it is.
        open: Intervals that may be bisected further.
        settled: The others.
    """

    def __init__(self, trajectory: Trajectory, number: int) -> None:
        """Takes a trajectory, of which nothing has been read."""
        self.trajectory, self.number = trajectory, number
        self.open: list[_Interval] = []
        self.settled: list[_Interval] = []
        self._uniform: list[tuple[int, int]] = []
        self._rounds = 0

    @property
    def first(self) -> list[float]:
        """Where points are read first: at the knots and, so that they are enough, evenly between them."""
        knots = self.trajectory.knots
        pieces = -(-(_FIRST - 1) // (len(knots) - 1))
        inner = [np.linspace(a, b, pieces, endpoint=False) for a, b in pairwise(knots)]
        return [*np.concatenate(inner).tolist(), 1.0]

    def begin(self, codes: ActivationPatterns) -> None:
        """Takes the codes of the first points."""
        counts = distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None)))
        ends = [codes.subset([row]) for row in range(len(codes))]
        at = pairwise(self.first)
        self.open = [
            _Interval(left, right, pair, row)
            for (left, right), pair, row in zip(at, pairwise(ends), counts, strict=True)
        ]
        self._note()

    def chosen(self, tolerance: float, max_points: int, most_kept: int) -> list[_Interval]:
        """Takes out the intervals that are to be bisected, and settles those that need not be.

        Args:
            tolerance: Share of the transitions that may be left to find.
            max_points: How many points may be read in all.
            most_kept: Of how many points codes may be kept.
        """
        chosen = self.open
        if self._rounds >= _ALL:
            # What may be left to find is shared out by width, so that what is settled stays settled.
            allowed = self._allowed(tolerance)
            # Where a limit has left too much behind, going on elsewhere is of no use.
            done = self._hidden <= allowed or _hidden_in(self.settled) > allowed
            chosen = [] if done else [i for i in chosen if (i.hidden or 0) > allowed * i.width]
            chosen.sort(key=lambda interval: -(interval.hidden or 0))
        room = min(max_points - len(self.open) - len(self.settled) - 1, most_kept // 2)
        chosen = chosen[: max(room, 0)]
        taken = {id(interval) for interval in chosen}
        for interval in self.open:
            if id(interval) not in taken:
                interval.ends = None
                self.settled.append(interval)
        self.open = []
        self._rounds += 1
        return chosen

    def share_out(self) -> None:
        """Ends a round.

        Single intervals find few transitions or none by chance. So most of what seems to be left in all of them is
        taken to be where intervals of their kind would have it: by the square of what was found around them (and one,
        for where nothing was found something may be too).
        """
        total = sum(interval.hidden or 0 for interval in self.open)
        weights = np.array([interval.around + 1 for interval in self.open], np.float64) ** 2
        for interval, share in zip(self.open, weights * (total / max(weights.sum(), 1)), strict=True):
            interval.hidden = _OWN * (interval.hidden or 0) + (1 - _OWN) * float(share)
        if self.open and not self.settled:
            self._note()

    def result(self, tolerance: float) -> Transitions:
        """What was counted, once nothing is open."""
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
        return max(tolerance * self._total, LEFT)

    @property
    def _total(self) -> int:
        return sum(int(interval.counts.sum()) for interval in (*self.open, *self.settled))

    @property
    def _hidden(self) -> float:
        return _hidden_in(self.open) + _hidden_in(self.settled)


def _hidden_in(intervals: Sequence[_Interval]) -> float:
    # Of what was never bisected nothing is known.
    return sum(inf if interval.hidden is None else interval.hidden for interval in intervals)


class _Points:
    """Points of several trajectories, read in full runs.

    Attributes:
        bytes_each: Bytes that the codes of one point take.
    """

    def __init__(
        self, reader: PatternReader, trajectories: Sequence[Trajectory], feeds: Mapping[str, ArrayLike]
    ) -> None:
        """Reads one point, to know how large codes are."""
        self._reader, self._trajectories = reader, trajectories
        self._feeds = check_feeds(feeds, reader.model, reader.site, len(trajectories))
        self._chunk = 1
        (codes,) = self.read([(0, 0.0)])
        self.bytes_each = codes.bytes_each
        run = (reader.batch_size or 1) * reader.concurrent_runs
        most = _READ_BYTES // max(self.bytes_each, 8 * prod(trajectories[0].shape))
        self._chunk = max(1, most // run) * run

    def read(self, at: Sequence[tuple[int, float]]) -> Iterator[ActivationPatterns]:
        """Reads points.

        Args:
            at: For each the number of its trajectory, and the place on it.

        Yields:
            Codes of as many points as are read at one time.
        """
        for first in range(0, len(at), self._chunk):
            part = at[first : first + self._chunk]
            owners = [number for number, _ in part]
            # Together for each trajectory: a call for each point would take longer than a small network does.
            points = np.concatenate(
                [
                    self._trajectories[number].at([t for _, t in mine])
                    for number, mine in groupby(part, key=lambda place: place[0])
                ]
            )
            yield self._reader.read(points, {name: feed.at(owners) for name, feed in self._feeds.items()})


def _begin(walks: Sequence[_Walk], points: _Points) -> None:
    """Reads the first points."""
    at = [(walk.number, t) for walk in walks for t in walk.first]
    codes = ActivationPatterns.joined(list(points.read(at)))
    first = 0
    for walk in walks:
        count = len(walk.first)
        walk.begin(codes.subset(slice(first, first + count)))
        first += count


def _bisect(jobs: Sequence[tuple[_Walk, _Interval]], points: _Points) -> None:
    """Reads the middles of intervals, and puts their halves in their places."""
    left = list(jobs)
    for middles in points.read([(walk.number, interval.middle) for walk, interval in jobs]):
        now, left = left[: len(middles)], left[len(middles) :]
        ends = [interval.ends for _, interval in now if interval.ends is not None]
        before = distances(ActivationPatterns.joined([start for start, _ in ends]), middles)
        after = distances(middles, ActivationPatterns.joined([end for _, end in ends]))
        for row, ((walk, interval), (start, end)) in enumerate(zip(now, ends, strict=True)):
            middle = middles.subset([row])
            found = int(before[row].sum() + after[row].sum())
            gain = found - int(interval.counts.sum())
            # By the gain alone a half hides half of it; by what was estimated before, an eighth of that. The gain is
            # one count and may be luck, so both have a say.
            hidden = (
                gain / 2 + interval.width / 2 if interval.hidden is None else gain / 4 + interval.hidden / 8
            )
            walk.open += [
                _Interval(interval.left, interval.middle, (start, middle), before[row], hidden, found),
                _Interval(interval.middle, interval.right, (middle, end), after[row], hidden, found),
            ]
