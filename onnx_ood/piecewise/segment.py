"""All boundaries of linear regions along a straight segment.

Between two neighbouring boundaries a piecewise-linear network is affine, so its values need to be known at boundaries
alone. A batch of points on the segment goes through the network step by step. Affine steps take it as it is; where a
unit bends between two neighbouring points, the point where it does so is put in between, its values interpolated. What
comes out at the end is the segment cut into its linear regions (M. Sotoudeh and A. Thakur, "SyReNN", TACAS 2021, for
sequences of layers; here for any graph, and for maxima).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Array
from onnx_ood.piecewise.steps import SAME, Affine, Bends, Largest, Program, choices, codes_between, value_of

# Crossings nearer to each other than this, as a share of the segment, are one: float64 can't tell them apart.
TOLERANCE = 1e-13
# Values of all points at one time; beyond it, the points are cut in two, and each half goes on alone.
_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Boundaries:
    """Where units change their codes along a segment, in order.

    Attributes:
        at: Share of the segment at each change, float64 [C], ascending, in (0, 1).
        site: Which site of `Program.sites` it is, int64 [C].
        unit: Which of the site's units, int64 [C].
    """

    at: NDArray[np.float64]
    site: NDArray[np.int64]
    unit: NDArray[np.int64]

    @property
    def regions(self) -> int:
        """Number of linear regions that the segment runs through."""
        return 1 + len(np.unique(self.at))


@dataclass
class _Piece:
    """A run of points on its way through the network.

    Attributes:
        step: The next step.
        at: Their shares of the segment, ascending, [M].
        values: What later steps read, [M, *sample] each.
    """

    step: int
    at: NDArray[np.float64]
    values: dict[str, Array]


def boundaries(program: Program, start: Array, end: Array) -> Boundaries:
    """Finds all boundaries of linear regions on the segment from one point to another.

    Args:
        program: The network.
        start: The first point, [*sample].
        end: The last point, [*sample].

    Returns:
        Every change of a unit's code, right to `TOLERANCE` plus what rounding in float64 leaves.
    """
    ends = np.stack([start, end]).astype(np.float64).reshape(2, *program.sample)
    walk = _Walk(program)
    walk.go(_Piece(0, np.array([0.0, 1.0]), {program.input: ends}))
    return walk.found()


class _Walk:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._last = program.last_use()
        self._site = {name: i for i, name in enumerate(program.sites)}
        self._changes: list[Boundaries] = []
        # Codes on both sides of the places where points were cut in two.
        self._left: dict[tuple[int, float], Array] = {}
        self._right: dict[tuple[int, float], Array] = {}

    def go(self, piece: _Piece) -> None:
        waiting = [piece]
        while waiting:
            piece = waiting.pop()
            while piece.step < len(self._program.steps):
                if len(piece.at) > 2 and sum(value.nbytes for value in piece.values.values()) > _BYTES:
                    first, piece = _halves(piece)
                    waiting.append(first)
                self._advance(piece)

    def found(self) -> Boundaries:
        for (number, place), left in self._left.items():
            right = self._right.get((number, place))
            if right is not None:
                self._note(np.array([place]), number, np.stack([left, right]))
        at, site, unit = (
            np.concatenate([getattr(part, field) for part in self._changes])
            for field in ("at", "site", "unit")
        )
        order = np.lexsort((unit, site, at))
        return Boundaries(at[order], site[order], unit[order])

    def _advance(self, piece: _Piece) -> None:
        """One step: points are put in where units bend, then the step's output is computed."""
        step = self._program.steps[piece.step]
        if isinstance(step, Affine):
            output = value_of(step, [piece.values[name] for name in step.inputs])
        elif isinstance(step, Bends):
            output = self._bend(step, piece)
        else:
            output = self._choose(step, piece)
        for name in step.inputs:
            if self._last[name] == piece.step:
                piece.values.pop(name, None)
        if step.output in self._last:
            piece.values[step.output] = output
        piece.step += 1

    def _bend(self, step: Bends, piece: _Piece) -> Array:
        (name,) = step.inputs
        for threshold in step.thresholds:
            z = piece.values[name].reshape(len(piece.at), -1) - threshold
            row, unit = np.nonzero(z[:-1] * z[1:] < 0)
            z0, z1 = z[row, unit], z[row + 1, unit]
            at = piece.at[row] + (piece.at[row + 1] - piece.at[row]) * (z0 / (z0 - z1))
            rows = _insert(piece, at)
            # Lest rounding let them cross again.
            piece.values[name].reshape(len(piece.at), -1)[rows, unit] = threshold
        z = piece.values[name].reshape(len(piece.at), -1)
        self._compare(step.output, piece.at, codes_between(step, z[:-1], z[1:]))
        return value_of(step, [piece.values[name]])

    def _choose(self, step: Largest, piece: _Piece) -> Array:
        seen = step.candidates(*(piece.values[name] for name in step.inputs))
        while True:
            best = choices(seen)
            row, unit = np.nonzero(best[:-1] != best[1:])
            p, q = best[row, unit], best[row + 1, unit]
            # How far the left end's choice is ahead of the right end's, at both ends.
            ahead = seen[row, unit, p] - seen[row, unit, q]
            behind = seen[row + 1, unit, q] - seen[row + 1, unit, p]
            crossing = (ahead > SAME * np.abs(seen[row, unit, p])) & (
                behind > SAME * np.abs(seen[row + 1, unit, q])
            )
            if not crossing.any():
                break
            row, unit, p, q = row[crossing], unit[crossing], p[crossing], q[crossing]
            share = ahead[crossing] / (ahead[crossing] + behind[crossing])
            old = piece.at
            rows = _insert(piece, old[row] + (old[row + 1] - old[row]) * share)
            seen = _interpolated(seen, old, piece.at)
            # There both are the same; which is the largest of all, the next turn sees.
            level = np.maximum(seen[rows, unit, p], seen[rows, unit, q])
            seen[rows, unit, p] = seen[rows, unit, q] = level
        self._compare(step.output, piece.at, choices((seen[:-1] + seen[1:]) / 2))
        return step.finish(seen.max(axis=-1))

    def _compare(self, output: str, at: NDArray[np.float64], codes: Array) -> None:
        """Notes where neighbouring intervals have different codes, [M − 1, U]."""
        site = self._site[output]
        self._note(at[1:-1], site, codes)
        # The codes next to a cut, for whoever is on its other side.
        if at[0] > 0:
            self._right[site, float(at[0])] = codes[0]
        if at[-1] < 1:
            self._left[site, float(at[-1])] = codes[-1]

    def _note(self, at: NDArray[np.float64], site: int, codes: Array) -> None:
        row, unit = np.nonzero(codes[:-1] != codes[1:])
        self._changes.append(Boundaries(at[row], np.full(len(row), site, np.int64), unit.astype(np.int64)))


def _insert(piece: _Piece, new: NDArray[np.float64]) -> NDArray[np.intp]:
    """Puts points into a piece, each once.

    Returns:
        The row of each, [len(new)].
    """
    if not len(new):
        return np.zeros(0, np.intp)
    order = np.argsort(new)
    known = np.concatenate([piece.at, new[order]])
    known.sort(kind="stable")
    # A point that is as good as on another goes there; the first and last points stay.
    kept = np.concatenate([[True], np.diff(known) > TOLERANCE])
    merged = known[kept]
    merged[-1] = piece.at[-1]
    merged = np.union1d(merged, piece.at)
    old = piece.at
    piece.at = merged
    for name, value in piece.values.items():
        piece.values[name] = _interpolated(value, old, merged)
    right = np.clip(np.searchsorted(merged, new), 1, len(merged) - 1)
    nearer = new - merged[right - 1] < merged[right] - new
    rows: NDArray[np.intp] = right - nearer
    return rows


def _interpolated(values: Array, old: NDArray[np.float64], new: NDArray[np.float64]) -> Array:
    """Values at more points, between which they are linear: [M, ...] at `old` → at `new`, which has all of `old`."""
    there = np.isin(new, old)
    found = np.empty((len(new), *values.shape[1:]))
    # Points that were there stay as they were.
    found[there] = values
    added = new[~there]
    right = np.searchsorted(old, added)
    left = right - 1
    share = ((added - old[left]) / (old[right] - old[left])).reshape(-1, *[1] * (values.ndim - 1))
    with np.errstate(invalid="ignore"):
        between = values[left] + share * (values[right] - values[left])
    # What isn't there (−∞) isn't there in between either.
    found[~there] = np.where(np.isnan(between), -np.inf, between) if np.isinf(values).any() else between
    return found


def _halves(piece: _Piece) -> tuple[_Piece, _Piece]:
    """Cuts points in two; the one in the middle belongs to both."""
    middle = len(piece.at) // 2
    spans = [slice(0, middle + 1), slice(middle, None)]
    first, second = (
        _Piece(piece.step, piece.at[span], {name: value[span].copy() for name, value in piece.values.items()})
        for span in spans
    )
    return first, second
