"""How inputs are laid out in runs: how many at once, and where each one's share of a tensor lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

import numpy as np

from onnx_ood._types import Array
from onnx_ood.runtime.batching.independence import BatchDependenceError
from onnx_ood.runtime.providers import Provider

# Activations of one run at all probes where nobody says how many inputs it has. Each run reads the weights again, so
# that one input in a run is slow, but each worker keeps two runs in memory; a GPU wants many inputs.
_RUN_BYTES = {"cpu": 96 * 2**20, "cuda": 128 * 2**20}
# Activations at the probes of one part of a model. Smaller parts, which stay in cache until they are reduced, cost more
# than they saved: tensors change their layout where a part ends, and each part reads its weights anew for each copy.
PART_BYTES: dict[Provider, int] = {"cpu": 128 * 2**20, "cuda": 512 * 2**20}
_MOST_ROWS = {"cpu": 32, "cuda": 64}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the inputs of one measurement are run.

    Attributes:
        batch_size: Inputs in one run.
        fixed: True if a run must have exactly `batch_size` inputs; the last one is then filled up.
        shapes: Shape of one input's share of each tensor, as the first input has it.
        even: True if runs may have fewer inputs than `batch_size`, so that several go on beside each other.
        axes: The axis along which the inputs of a run lie, for tensors where it is not the first.
        bytes_at: Bytes that one input takes at each probe.
        note: What a user should know about it, or empty.
    """

    batch_size: int
    fixed: bool
    shapes: Mapping[str, tuple[int, ...]]
    bytes_at: Mapping[str, int]
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
            number = min(count, max(-(-count // self.batch_size), beside))
            bounds = [i * count // number for i in range(number + 1)]
            return [list(range(first, last)) for first, last in pairwise(bounds)]
        runs = [
            list(range(start, min(start + self.batch_size, count)))
            for start in range(0, count, self.batch_size)
        ]
        if self.fixed:
            runs[-1] += [count - 1] * (self.batch_size - len(runs[-1]))
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
            raise BatchDependenceError(name)
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
        At least 1; as many as keep the activations of one run at all probes small, and no more than is of use.
    """
    return max(1, min(_MOST_ROWS[provider], _RUN_BYTES[provider] // max(per_input, 1)))
