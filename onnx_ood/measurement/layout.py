"""How inputs are laid out in runs: how many at once, and where each one's share of a tensor lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

import numpy as np

from onnx_ood.measurement.cores import run_workers
from onnx_ood.measurement.providers import Provider
from onnx_ood.measurement.separation import Array, UnevenRowsError

# Activations that are kept for one run, clean and nudged together, without and with a batch size of the user's.
_AUTO_BYTES = 256 * 2**20
_MOST_BYTES = 2**30
_MOST_ROWS = {"cpu": 32, "cuda": 64}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the inputs of one measurement are run.

    Attributes:
        rows: Inputs in one run.
        fixed: True if a run must have exactly `rows` inputs; the last one is then filled up.
        shapes: Shape of one input's share of each tensor, as the first input has it.
        even: True if runs may have fewer inputs than `rows`, so that several go on beside each other.
        axes: The axis along which the inputs of a run lie, for tensors where it is not the first.
        groups: The probes, split so that what one run keeps stays within memory.
        note: What a user should know about it, or empty.
    """

    rows: int
    fixed: bool
    shapes: Mapping[str, tuple[int, ...]]
    groups: tuple[tuple[str, ...], ...]
    note: str = ""
    even: bool = False
    axes: Mapping[str, int] = field(default_factory=dict)

    def runs(self, count: int, beside: int = 1) -> list[list[int]]:
        """Shares inputs out to runs.

        Args:
            count: N, the number of inputs.
            beside: How many runs go on beside each other.

        Returns:
            The indices of the inputs of each run. A model with a fixed batch size gets its last run filled up with the
            last input.
        """
        if self.even:
            number = min(count, max(-(-count // self.rows), beside))
            bounds = [i * count // number for i in range(number + 1)]
            return [list(range(first, last)) for first, last in pairwise(bounds)]
        runs = [list(range(start, min(start + self.rows, count))) for start in range(0, count, self.rows)]
        if self.fixed:
            runs[-1] += [count - 1] * (self.rows - len(runs[-1]))
        return runs

    def cut(self, name: str, array: Array, rows: int) -> Array:
        """Cuts a tensor into shares.

        Args:
            name: Its name.
            array: What a run gave.
            rows: Number of inputs in that run.

        Returns:
            [rows, *share].

        Raises:
            UnevenRowsError: If several inputs were run and the shares are not what the first input's was.
        """
        if rows == 1:
            return array[np.newaxis]
        each, axis = self.shapes[name], self.axes.get(name, 0)
        if array.shape != self._together(each, rows, axis):
            raise UnevenRowsError(name)
        shares: Array = np.moveaxis(array.reshape(*each[:axis], rows, *each[axis:]), axis, 0)
        return shares

    def join(self, name: str, shares: Array) -> Array:
        """Puts shares together into a tensor: the inverse of `cut`.

        Args:
            name: Name of the tensor.
            shares: [rows, *share].

        Returns:
            The tensor as a run of these inputs has it.
        """
        if len(shares) == 1:
            first: Array = shares[0]
            return first
        axis = self.axes.get(name, 0)
        return np.moveaxis(shares, 0, axis).reshape(self._together(shares.shape[1:], len(shares), axis))

    def own_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one input's share of a tensor, without the axis along which inputs lie where that is 1."""
        share, axis = self.shapes[name], self.axes.get(name, 0)
        return (*share[:axis], *share[axis + 1 :]) if share[axis : axis + 1] == (1,) else share

    @staticmethod
    def _together(share: tuple[int, ...], rows: int, axis: int) -> tuple[int, ...]:
        return (*share[:axis], rows * share[axis], *share[axis + 1 :])

    def units(self, probe: str) -> int:
        """Number of values that one input has at a probe."""
        return prod(self.shapes[probe])


def choose_rows(per_input: int, provider: Provider) -> int:
    """How many inputs to run at once where nobody says.

    Args:
        per_input: Bytes that one input takes at all probes together.
        provider: `"cuda"` or `"cpu"`.

    Returns:
        At least 1; as many as keep clean and nudged activations of all runs that go on at once within 256 MiB, and no
        more than is of use.
    """
    kept = 2 * per_input * run_workers(provider)
    return max(1, min(_MOST_ROWS[provider], _AUTO_BYTES // max(kept, 1)))


def split(probe_bytes: Mapping[str, int], rows: int) -> tuple[tuple[str, ...], ...]:
    """Splits probes into groups that are measured one after the other.

    Args:
        probe_bytes: Bytes that one input takes at each probe.
        rows: Inputs in one run.

    Returns:
        The groups. Memory for clean and nudged activations of each stays below 1 GiB, unless a single probe needs more
        for the rows asked for.
    """
    groups: list[list[str]] = [[]]
    kept = 0
    for name, size in probe_bytes.items():
        needed = 2 * rows * size
        if groups[-1] and kept + needed > _MOST_BYTES:
            groups.append([])
            kept = 0
        groups[-1].append(name)
        kept += needed
    return tuple(tuple(group) for group in groups)
