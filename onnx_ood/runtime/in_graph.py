"""Pair statistics that the model computes itself: the way on a GPU, where only they cross the bus.

Clean inputs and their copies go through together; copies are made on the device, from one clean tensor and nudges that
are brought there once for all runs of a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto
from onnxruntime import OrtValue

from onnx_ood._types import Array, FloatArray
from onnx_ood.graph import MOST_UNITS, Tensor, with_pair_statistics
from onnx_ood.runtime.arguments import FLOATS
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.gpu_driver import free_memory
from onnx_ood.runtime.measurement import Part
from onnx_ood.runtime.providers import Provider
from onnx_ood.runtime.session import OutOfMemoryError, Session
from onnx_ood.runtime.statistics import RowStatistics, tabulate

# Inputs and copies that go through together, and where memory is known to be enough: more than a GPU can do at once
# brings nothing.
_TOGETHER = 64
_MOST_TOGETHER = 128
# Of the memory that is free, what runs may take: the device is others' too, and runs of other sizes leave gaps.
_SHARE = 0.5
# Activations of one run that are compared at once, in float32: their differences and codes take as much again, twice.
_PIECE_BYTES = 32 * 2**20
# Probes of fewer units are compared in float64: over them the rounding of products doesn't average out.
_FEW = 4_096
# What the inputs other than the site are fed for some inputs of the batch, which may repeat.
Feeds = Callable[[list[int]], Mapping[str, Array]]


def can_be_in_graph(layout: Layout, site: Tensor, carriers: Mapping[str, str], proto: ModelProto) -> bool:
    """Whether inputs and copies can go through a model together and be compared there.

    Args:
        layout: How inputs lie in the model's tensors.
        site: The tensor that is nudged.
        carriers: The output that carries each probe.
        proto: The model with these outputs.
    """
    sequences = {
        value.name for value in proto.graph.output if value.type.WhichOneof("value") == "sequence_type"
    }
    return (
        site.is_input
        and site.shape is not None
        and not layout.fixed
        and layout.batch_size > 1
        and layout.axes.keys().isdisjoint(carriers)
        and sequences.isdisjoint(carriers.values())
        and all(layout.units(name) < MOST_UNITS for name in carriers)
    )


class InGraph:
    """A model that compares inputs with their nudged copies, loaded on a provider.

    Attributes:
        copies: How many copies go through together.
        most: How many could.
        inputs: How many inputs one run has.
    """

    def __init__(
        self,
        proto: ModelProto,
        path: Path,
        layout: Layout,
        site: Tensor,
        carriers: Mapping[str, str],
        dtypes: Mapping[str, str],
        outputs: Sequence[str],
        provider: Provider,
        *,
        inputs: int | None,
        copies: int,
        exact: bool,
        tf32: bool,
    ) -> None:
        """Adds the statistics and creates the session.

        Args:
            proto: The model with its probes handed out.
            path: The model's file.
            layout: How many units each probe has.
            site: The input that is nudged.
            carriers: The output that carries each of the P probes, in the order in which they are reported.
            dtypes: Element type of each probe.
            outputs: The model's own outputs that are wanted.
            provider: Where to run.
            inputs: How many inputs one run has; None for as many as are of use and, where that can be told, as fit
                well into the device's memory.
            copies: K, how many copies there will be.
            exact: True to run without fusions.
            tf32: True to let CUDA round products to TF32.

        Raises:
            ModelError: If onnxruntime refuses the model.
        """
        self.most = _TOGETHER - 1
        self.copies = min(copies, self.most)
        self.inputs = inputs or _TOGETHER // (1 + self.copies)
        self._fitted = inputs is not None
        self._site, self._outputs = site.name, tuple(outputs)
        self._dtype = site.dtype or "float32"
        handed_out = {
            carriers[name]: "float32" if dtypes[name] not in FLOATS else dtypes[name] for name in carriers
        }
        self._probes = len(handed_out)
        self._order = [list(handed_out).index(carriers[name]) for name in carriers]
        units = {carriers[name]: layout.units(name) for name in carriers}
        self._pairs = with_pair_statistics(
            proto,
            site.name,
            list(handed_out),
            {site.name: self._dtype, **handed_out},
            {carrier for carrier, count in units.items() if count < _FEW},
            {
                name: self._bounds(count)
                for name, count in {site.name: layout.units(site.name), **units}.items()
            },
            self.copies,
            self._outputs,
        )
        self._session = Session(self._pairs.proto, path, provider, exact=exact, tf32=tf32, in_order=True)

    @property
    def placement(self) -> dict[str, int]:
        """Number of nodes that run on each execution provider of the runtime."""
        return self._session.placement

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        """Names of added nodes that don't run on the provider."""
        return self._session.fallback_nodes

    def measure(self, layout: Layout, clean: Array, shifts: FloatArray, feeds: Feeds) -> list[Part]:
        """Measures a batch.

        Args:
            layout: How inputs lie in the model's tensors.
            clean: The inputs, [N, *site].
            shifts: The nudges, [N, K, *site]; with a stride of 0 on the first axis they are shared.
            feeds: What the other inputs are fed.

        Returns:
            One part for each run.

        Raises:
            ModelError: If a run fails.
            UnevenRowsError: If an output has not as many rows as it should.
        """
        nudges = _Nudges(shifts, self.copies, self._dtype, self._session.bring)
        if not self._fitted and len(clean) > 1:
            self._fit(layout, clean, nudges, feeds)
        parts: list[Part] = []
        done = 0
        while done < len(clean):
            inputs = list(range(done, min(done + self.inputs, len(clean))))
            try:
                parts.append(self._measure_run(layout, inputs, clean, nudges, feeds))
            except OutOfMemoryError:
                if len(inputs) == 1:
                    raise
                # What fits now fits from now on.
                self.inputs = len(inputs) // 2
                continue
            done += len(inputs)
        return parts

    def _fit(self, layout: Layout, clean: Array, nudges: _Nudges, feeds: Feeds) -> None:
        """Chooses how many inputs one run has, by what one more of them took of the device's memory.

        The runtime keeps what it has taken, so that what is free shows it after the run. What it had left over from the
        first run counts for the second: where that is all, nothing can be told, and the choice stays.
        """
        self._fitted = True
        left = []
        for count in (1, 2):
            try:
                self._measure_run(layout, list(range(count)), clean, nudges, feeds)
            except OutOfMemoryError:
                if count == 1:
                    raise
                self.inputs = 1
                return
            left.append(free_memory())
        if left[0] is None or left[1] is None or left[0] <= left[1]:
            return
        fitting = int(left[1] * _SHARE) // (left[0] - left[1])
        self.inputs = max(1, min(_MOST_TOGETHER // (1 + self.copies), fitting))

    def _bounds(self, units: int) -> list[int]:
        """Where the units of a probe are parted, so that what one run compares at once stays small."""
        size = units * self.inputs * (1 + self.copies) * np.dtype(np.float32).itemsize
        pieces = max(1, -(-size // _PIECE_BYTES))
        return [i * units // pieces for i in range(pieces + 1)]

    def _measure_run(
        self, layout: Layout, inputs: list[int], clean: Array, nudges: _Nudges, feeds: Feeds
    ) -> Part:
        fed = feeds([i for i in inputs for _ in range(1 + self.copies)])
        columns: list[tuple[Array, Array]] = []
        outputs: dict[str, Array] = {}
        for start in range(0, nudges.count, self.copies):
            columns.append(self._run(layout, clean[inputs], nudges.at(inputs, start), fed, outputs))
        return self._part(columns, nudges.count, outputs)

    def _run(
        self,
        layout: Layout,
        clean: Array,
        nudges: Array | OrtValue,
        fed: Mapping[str, Array],
        outputs: dict[str, Array],
    ) -> tuple[Array, Array]:
        """Runs inputs and copies together; notes what the model gives for the clean inputs the first time.

        Returns:
            E·Eᵀ of the site and the probes, [N, 1 + P, 1 + c, 1 + c], and C·Cᵀ of the probes, [N, P, 1 + c, 1 + c].
        """
        own = () if outputs else tuple(name for name in self._outputs if name in layout.shapes)
        rows, group, probes = len(clean), 1 + self.copies, self._probes
        shapes: dict[str, tuple[int, ...] | None] = {
            self._pairs.products: (rows, (1 + probes) * group, group),
            self._pairs.counts: (rows, probes * group, group),
            # What a file says of its outputs' shapes need not be so.
            **dict.fromkeys(own),
        }
        products, counts, *rest = self._session.run_bound(
            shapes, {self._site: clean, self._pairs.nudges: nudges, **fed}
        )
        for name, array in zip(own, rest, strict=True):
            outputs[name] = layout.cut(name, array, rows * group)[::group]
        return products.reshape(rows, -1, group, group), counts.reshape(rows, -1, group, group)

    def _part(self, columns: list[tuple[Array, Array]], copies: int, outputs: Mapping[str, Array]) -> Part:
        """Reads the statistics off the products."""
        at_site, at_probes = [], []
        for products, counts in columns:
            for k in range(1, 1 + self.copies):
                at_site.append([_pairs(products[:, 0], None, k)])
                at_probes.append([_pairs(products[:, 1 + p], counts[:, p], k) for p in self._order])
        return Part(tabulate(at_site[:copies]), tabulate(at_probes[:copies]), outputs)


def _pairs(products: Array, counts: Array | None, copy: int) -> RowStatistics:
    """Statistics of one copy at one probe, for R inputs, from [R, 1 + c, 1 + c]."""
    if counts is None:
        active = flips = np.zeros(len(products), np.int64)
    else:
        active = counts[:, 0, 0].astype(np.int64)
        flips = active + counts[:, copy, copy].astype(np.int64) - 2 * counts[:, 0, copy].astype(np.int64)
    return RowStatistics(products[:, 0, 0], products[:, 0, copy], products[:, copy, copy], flips, active)


class _Nudges:
    """The nudges of one measurement, as runs are fed them.

    Attributes:
        count: K, how many copies there are.
    """

    def __init__(
        self, shifts: FloatArray, together: int, dtype: str, bring: Callable[[Array], OrtValue]
    ) -> None:
        """Takes them.

        Args:
            shifts: The nudges, [N, K, *site]; with a stride of 0 on the first axis they are shared.
            together: c, how many copies go through together.
            dtype: The site's.
            bring: Brings an array to the device.
        """
        self.count = shifts.shape[1]
        self._shifts, self._together, self._dtype, self._bring = shifts, together, dtype, bring
        self._shared = shifts.strides[0] == 0
        self._brought: dict[int, OrtValue] = {}

    def at(self, inputs: list[int], start: int) -> Array | OrtValue:
        """The nudges of one run, [1 or N, c, *site]: on the device already where all inputs share them.

        Args:
            inputs: Which inputs the run has.
            start: The first copy.
        """
        if not self._shared:
            return self._filled(inputs, start)
        if start not in self._brought:
            self._brought[start] = self._bring(self._filled([0], start))
        return self._brought[start]

    def _filled(self, inputs: list[int], start: int) -> Array:
        """In the site's dtype; those that are missing at the end are 0."""
        chosen = self._shifts[inputs, start : start + self._together]
        # A nudge out of the dtype's range shows as an infinite activation.
        with np.errstate(over="ignore"):
            nudges: Array = chosen.astype(self._dtype)
        missing = self._together - nudges.shape[1]
        if missing:
            nudges = np.concatenate([nudges, np.zeros_like(nudges[:, :1]).repeat(missing, axis=1)], axis=1)
        return nudges
