"""All boundaries of linear regions along a straight segment.

Between two adjacent boundaries a piecewise-linear network is affine, so its values are needed at boundaries only. A
batch of points on the segment runs through the network step by step. If a unit crosses a threshold between two adjacent
points, the crossing is inserted between them with interpolated values. At the end the points divide the segment into
its linear regions (M. Sotoudeh and A. Thakur, "SyReNN", TACAS 2021, for sequences of layers; here for any graph, and
with maxima).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Array
from onnx_ood.piecewise.steps import (
    TIE_TOLERANCE,
    Affine,
    Elementwise,
    Maximum,
    Program,
    largest_of,
    states_between,
    value_of,
)

# Crossings closer than this fraction of the segment are merged: float64 cannot separate them.
TOLERANCE = 1e-13
# Limit on the values of all points; beyond it, the points are split in two halves that continue separately.
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Boundaries:
    """Changes of the activation pattern along a segment, in order.

    Attributes:
        at: Position of each change as a fraction of the segment, float64 [C], ascending, in (0, 1).
        site: Index into `Program.sites`, int64 [C].
        unit: Index of the unit in the flattened site, int64 [C].
    """

    at: NDArray[np.float64]
    site: NDArray[np.int64]
    unit: NDArray[np.int64]

    @property
    def regions(self) -> int:
        """Number of linear regions that the segment crosses."""
        return 1 + len(np.unique(self.at))


@dataclass
class _Part:
    """Consecutive points during the walk through the network.

    Attributes:
        step: Index of the next step.
        at: Positions as fractions of the segment, ascending, [M].
        values: Tensors that later steps read, [M, *sample] each.
    """

    step: int
    at: NDArray[np.float64]
    values: dict[str, Array]


def boundaries(program: Program, start: Array, end: Array) -> Boundaries:
    """Find all boundaries of linear regions on the segment between two points.

    Args:
        program: The network.
        start: The first point, [*sample].
        end: The last point, [*sample].

    Returns:
        Every change of a unit's state, located to within `TOLERANCE` plus rounding in float64.
    """
    ends = np.stack([start, end]).astype(np.float64).reshape(2, *program.sample)
    walk = _Walk(program)
    walk.go(_Part(0, np.array([0.0, 1.0]), {program.input: ends}))
    return walk.found()


class _Walk:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._last = program.last_use()
        self._site = {name: i for i, name in enumerate(program.sites)}
        self._changes: list[Boundaries] = []
        # States on both sides of the points where parts were split.
        self._left: dict[tuple[int, float], Array] = {}
        self._right: dict[tuple[int, float], Array] = {}

    def go(self, part: _Part) -> None:
        waiting = [part]
        while waiting:
            part = waiting.pop()
            while part.step < len(self._program.steps):
                if len(part.at) > 2 and sum(value.nbytes for value in part.values.values()) > _MAX_BYTES:
                    first, part = _halves(part)
                    waiting.append(first)
                self._advance(part)

    def found(self) -> Boundaries:
        for (site_index, position), left in self._left.items():
            right = self._right.get((site_index, position))
            if right is not None:
                self._record(np.array([position]), site_index, np.stack([left, right]))
        at, site, unit = (
            np.concatenate([getattr(part, field) for part in self._changes])
            for field in ("at", "site", "unit")
        )
        order = np.lexsort((unit, site, at))
        return Boundaries(at[order], site[order], unit[order])

    def _advance(self, part: _Part) -> None:
        """Run one step: insert crossings of its units, then compute its output."""
        step = self._program.steps[part.step]
        if isinstance(step, Affine):
            output = value_of(step, [part.values[name] for name in step.inputs])
        elif isinstance(step, Elementwise):
            output = self._elementwise(step, part)
        else:
            output = self._maximum(step, part)
        for name in step.inputs:
            if self._last[name] == part.step:
                part.values.pop(name, None)
        if step.output in self._last:
            part.values[step.output] = output
        part.step += 1

    def _elementwise(self, step: Elementwise, part: _Part) -> Array:
        (name,) = step.inputs
        for threshold in step.thresholds:
            z = part.values[name].reshape(len(part.at), -1) - threshold
            row, unit = np.nonzero(z[:-1] * z[1:] < 0)
            z0, z1 = z[row, unit], z[row + 1, unit]
            at = part.at[row] + (part.at[row + 1] - part.at[row]) * (z0 / (z0 - z1))
            rows = _insert(part, at)
            # Exactly on the threshold, so that rounding causes no second crossing.
            part.values[name].reshape(len(part.at), -1)[rows, unit] = threshold
        z = part.values[name].reshape(len(part.at), -1)
        self._compare(step.output, part.at, states_between(step, z[:-1], z[1:]))
        return value_of(step, [part.values[name]])

    def _maximum(self, step: Maximum, part: _Part) -> Array:
        candidates = step.candidates(*(part.values[name] for name in step.inputs))
        while True:
            best = largest_of(candidates)
            row, unit = np.nonzero(best[:-1] != best[1:])
            p, q = best[row, unit], best[row + 1, unit]
            # Lead of the left end's largest candidate over the right end's at the left, and the reverse at the right.
            lead_left = candidates[row, unit, p] - candidates[row, unit, q]
            lead_right = candidates[row + 1, unit, q] - candidates[row + 1, unit, p]
            crossing = (lead_left > TIE_TOLERANCE * np.abs(candidates[row, unit, p])) & (
                lead_right > TIE_TOLERANCE * np.abs(candidates[row + 1, unit, q])
            )
            if not crossing.any():
                break
            row, unit, p, q = row[crossing], unit[crossing], p[crossing], q[crossing]
            fraction = lead_left[crossing] / (lead_left[crossing] + lead_right[crossing])
            old = part.at
            rows = _insert(part, old[row] + (old[row + 1] - old[row]) * fraction)
            candidates = _interpolated(candidates, old, part.at)
            # The two are equal there; the next round finds the largest of all candidates.
            tied = np.maximum(candidates[rows, unit, p], candidates[rows, unit, q])
            candidates[rows, unit, p] = candidates[rows, unit, q] = tied
        self._compare(step.output, part.at, largest_of((candidates[:-1] + candidates[1:]) / 2))
        return step.finish(candidates.max(axis=-1))

    def _compare(self, output: str, at: NDArray[np.float64], states: Array) -> None:
        """Record the changes between states of adjacent intervals, [M − 1, U]."""
        site = self._site[output]
        self._record(at[1:-1], site, states)
        # States next to a split, to compare with those on its other side.
        if at[0] > 0:
            self._right[site, float(at[0])] = states[0]
        if at[-1] < 1:
            self._left[site, float(at[-1])] = states[-1]

    def _record(self, at: NDArray[np.float64], site: int, states: Array) -> None:
        row, unit = np.nonzero(states[:-1] != states[1:])
        self._changes.append(Boundaries(at[row], np.full(len(row), site, np.int64), unit.astype(np.int64)))


def _insert(part: _Part, new: NDArray[np.float64]) -> NDArray[np.intp]:
    """Insert points into a part, each once.

    Returns:
        Row of each point, [len(new)].
    """
    if not len(new):
        return np.zeros(0, np.intp)
    order = np.argsort(new)
    known = np.concatenate([part.at, new[order]])
    known.sort(kind="stable")
    # Points closer than the tolerance are merged; the first and last points stay.
    kept = np.concatenate([[True], np.diff(known) > TOLERANCE])
    merged = known[kept]
    merged[-1] = part.at[-1]
    merged = np.union1d(merged, part.at)
    old = part.at
    part.at = merged
    for name, value in part.values.items():
        part.values[name] = _interpolated(value, old, merged)
    right = np.clip(np.searchsorted(merged, new), 1, len(merged) - 1)
    nearer = new - merged[right - 1] < merged[right] - new
    rows: NDArray[np.intp] = right - nearer
    return rows


def _interpolated(values: Array, old: NDArray[np.float64], new: NDArray[np.float64]) -> Array:
    """Interpolate values [M, ...] at positions `old` to positions `new`, which include `old`."""
    there = np.isin(new, old)
    found = np.empty((len(new), *values.shape[1:]))
    # Exact for the old points.
    found[there] = values
    added = new[~there]
    right = np.searchsorted(old, added)
    left = right - 1
    share = ((added - old[left]) / (old[right] - old[left])).reshape(-1, *[1] * (values.ndim - 1))
    with np.errstate(invalid="ignore"):
        between = values[left] + share * (values[right] - values[left])
    # Padding (−∞) stays padding between points.
    found[~there] = np.where(np.isnan(between), -np.inf, between) if np.isinf(values).any() else between
    return found


def _halves(part: _Part) -> tuple[_Part, _Part]:
    """Split points in two halves that share the middle one."""
    middle = len(part.at) // 2
    spans = [slice(0, middle + 1), slice(middle, None)]
    first, second = (
        _Part(part.step, part.at[span], {name: value[span].copy() for name, value in part.values.items()})
        for span in spans
    )
    return first, second
