"""Layout of inputs in runs: how many at once, and which part of a tensor belongs to which input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

import numpy as np

from onnx_ood._types import Array
from onnx_ood.runtime.batching.independence import BatchDependenceError
from onnx_ood.runtime.providers import Provider

# Activations of one run at all probes, if the user sets no batch size. Each run reads the weights again, so one input
# per run is slow; but each worker keeps two runs in memory. A GPU needs many inputs.
_MAX_RUN_BYTES = {"cpu": 96 * 2**20, "cuda": 128 * 2**20}
# Activations at the probes of one stage of a model. Smaller stages, which stay in cache until they are reduced, were
# slower: tensors change their layout where a stage ends, and each stage reads its weights anew for each copy.
MAX_STAGE_BYTES: dict[Provider, int] = {"cpu": 128 * 2**20, "cuda": 512 * 2**20}
_MAX_BATCH_SIZE = {"cpu": 32, "cuda": 64}


@dataclass(frozen=True, slots=True)
class Layout:
    """Plan for running the inputs of one measurement.

    Attributes:
        batch_size: Inputs in one run.
        fixed: True if a run must have exactly `batch_size` inputs; the last one is then filled up.
        shapes: Shape of the sample of each tensor that belongs to one input.
        bytes_per_sample: Bytes of one input's sample of each probe.
        note: Why inputs are run one at a time or an output is left out, or empty.
        even: True if runs may have fewer inputs than `batch_size`, so that several can run concurrently.
        axes: The axis along which the inputs of a run lie, for tensors where it is not the first.
        dependent: Tensors in which an input depended on its company in trial runs.
        random: Tensors that differed between two runs of the same inputs.
    """

    batch_size: int
    fixed: bool
    shapes: Mapping[str, tuple[int, ...]]
    bytes_per_sample: Mapping[str, int]
    note: str = ""
    even: bool = False
    axes: Mapping[str, int] = field(default_factory=dict)
    dependent: frozenset[str] = frozenset()
    random: frozenset[str] = frozenset()

    def runs(self, count: int, concurrent: int = 1) -> list[list[int]]:
        """Distribute inputs over runs.

        Args:
            count: N, the number of inputs.
            concurrent: Number of runs that execute at the same time.

        Returns:
            The indices of the inputs of each run. A model with a fixed batch size gets its last run filled up with the
            last input.
        """
        if self.even:
            number = min(count, max(-(-count // self.batch_size), concurrent))
            bounds = [i * count // number for i in range(number + 1)]
            return [list(range(first, last)) for first, last in pairwise(bounds)]
        runs = [
            list(range(start, min(start + self.batch_size, count)))
            for start in range(0, count, self.batch_size)
        ]
        if self.fixed:
            runs[-1] += [count - 1] * (self.batch_size - len(runs[-1]))
        return runs

    def split(self, name: str, array: Array, batch_size: int) -> Array:
        """Split a tensor into one sample per input.

        Args:
            name: Its name.
            array: The tensor of one run.
            batch_size: B, the number of inputs in that run.

        Returns:
            [B, *sample].

        Raises:
            BatchDependenceError: If the run has several inputs and samples differ in shape from the first input's.
        """
        if batch_size == 1:
            return array[np.newaxis]
        sample, axis = self.shapes[name], self.axes.get(name, 0)
        if array.shape != self._batched(sample, batch_size, axis):
            raise BatchDependenceError(name)
        samples: Array = np.moveaxis(array.reshape(*sample[:axis], batch_size, *sample[axis:]), axis, 0)
        return samples

    def split_all(self, found: Mapping[str, Array], batch_size: int) -> dict[str, Array]:
        """Split the tensors of a run that have samples; others, as outputs of a fixed batch, are left out.

        Args:
            found: Tensors by name.
            batch_size: Number of inputs in the run.

        Returns:
            [B, *sample] by name. The sample in a run of one input may differ in size from those of other inputs.

        Raises:
            BatchDependenceError: As `split`.
        """
        return {
            name: self.split(name, array, batch_size) for name, array in found.items() if name in self.shapes
        }

    def join(self, name: str, samples: Array) -> Array:
        """Join samples into a tensor: the inverse of `split`.

        Args:
            name: Name of the tensor.
            samples: [B, *sample].

        Returns:
            The tensor of a run with these inputs.
        """
        if len(samples) == 1:
            first: Array = samples[0]
            return first
        axis = self.axes.get(name, 0)
        return np.moveaxis(samples, 0, axis).reshape(self._batched(samples.shape[1:], len(samples), axis))

    def sample_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one input's sample, without a batch axis of size 1."""
        sample, axis = self.shapes[name], self.axes.get(name, 0)
        return (*sample[:axis], *sample[axis + 1 :]) if sample[axis : axis + 1] == (1,) else sample

    @staticmethod
    def _batched(sample: tuple[int, ...], batch_size: int, axis: int) -> tuple[int, ...]:
        return (*sample[:axis], batch_size * sample[axis], *sample[axis + 1 :])

    def units(self, probe: str) -> int:
        """Count the values per input at a probe."""
        return prod(self.shapes[probe])


def choose_batch_size(bytes_per_input: int, provider: Provider) -> int:
    """Choose the number of inputs in one run.

    Args:
        bytes_per_input: Bytes of one input's samples of all probes together.
        provider: `"cuda"` or `"cpu"`.

    Returns:
        At least 1; as many as keep the activations of one run small, and no more than are of use.

    >>> choose_batch_size(bytes_per_input=48 * 2**20, provider="cpu")
    2
    """
    return max(1, min(_MAX_BATCH_SIZE[provider], _MAX_RUN_BYTES[provider] // max(bytes_per_input, 1)))
