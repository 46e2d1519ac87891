"""Pair statistics computed inside the model's graph, so that only they leave the GPU.

Clean inputs and their copies go through together; copies are made on the device, from one clean tensor and from nudges
that are brought there once for all runs of a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto
from onnxruntime import OrtValue

from onnx_ood._types import Array, FloatArray
from onnx_ood.graph import MAX_UNITS, MIN_NUDGE_OPSET, Tensor, standard_opset, with_pair_statistics
from onnx_ood.runtime.arguments import FLOATS
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.gpu_driver import free_memory
from onnx_ood.runtime.measurement import RunStatistics
from onnx_ood.runtime.providers import Provider
from onnx_ood.runtime.session import OutOfMemoryError, Session
from onnx_ood.runtime.statistics import PairStatistics, tabulate

# Inputs and copies in one run, by default and if free memory is known: more than a GPU computes at once gain nothing.
_RUN_SAMPLES = 64
_MAX_RUN_SAMPLES = 128
# Fraction of the free memory that runs may take: the device is shared, and runs of other sizes leave gaps.
_MEMORY_FRACTION = 0.5
# Activations of one run that are compared at once, in float32: differences and sign patterns take as much each.
_MAX_PIECE_BYTES = 32 * 2**20
# Probes of fewer units are compared in float64: the rounding of products doesn't average out over them.
_MIN_FLOAT32_UNITS = 4_096
# Returns the values of the inputs other than the site, for some inputs of the batch, which may repeat.
FeedsOf = Callable[[list[int]], Mapping[str, Array]]


def can_be_in_graph(layout: Layout, site: Tensor, carriers: Mapping[str, str], proto: ModelProto) -> bool:
    """Return whether inputs and copies can share a run of one model that compares them.

    Args:
        layout: How inputs are run.
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
        and all(layout.units(name) < MAX_UNITS for name in carriers)
        and standard_opset(proto) >= MIN_NUDGE_OPSET
    )


class InGraph:
    """A model that compares inputs with their nudged copies, loaded on a provider.

    Attributes:
        copies: Copies of each input in one run.
        max_copies: Most copies that one run can have.
        batch_size: Inputs in one run.
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
        batch_size: int | None,
        copies: int,
        exact: bool,
        tf32: bool,
    ) -> None:
        """Add the statistics and create the session.

        Args:
            proto: The model with its probes as outputs.
            path: The model's file.
            layout: How inputs are run.
            site: The input that is nudged.
            carriers: The output that carries each of the P probes, in the order of the result.
            dtypes: Element type of each probe.
            outputs: The model's own outputs to fetch.
            provider: Where to run.
            batch_size: Inputs in one run; None for as many as are of use and, where free memory is known, fit well.
            copies: K, the number of copies.
            exact: True to run without fusions.
            tf32: True to let CUDA round products to TF32.

        Raises:
            ModelError: If onnxruntime refuses the model.
        """
        self.max_copies = _RUN_SAMPLES - 1
        self.copies = min(copies, self.max_copies)
        self.batch_size = batch_size or _RUN_SAMPLES // (1 + self.copies)
        self._fitted = batch_size is not None
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
            {carrier for carrier, count in units.items() if count < _MIN_FLOAT32_UNITS},
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

    def measure(
        self, layout: Layout, clean: Array, nudges: FloatArray, feeds: FeedsOf
    ) -> list[RunStatistics]:
        """Measure a batch.

        Memory that is short for a run halves its inputs, here and in all later runs.

        Args:
            layout: How inputs are run.
            clean: The inputs, [N, *site].
            nudges: [N, K, *site]; shared by all inputs if the stride of the first axis is 0.
            feeds: Values of the other inputs.

        Returns:
            The statistics of each run.

        Raises:
            ModelError: If a run fails.
            BatchDependenceError: If an output cannot be split by input.
        """
        on_device = _Nudges(nudges, self.copies, self._dtype, self._session.bring)
        if not self._fitted and len(clean) > 1:
            self._fit(layout, clean, on_device, feeds)
        statistics: list[RunStatistics] = []
        done = 0
        while done < len(clean):
            inputs = list(range(done, min(done + self.batch_size, len(clean))))
            try:
                statistics.append(self._measure_run(layout, inputs, clean, on_device, feeds))
            except OutOfMemoryError:
                if len(inputs) == 1:
                    raise
                self.batch_size = len(inputs) // 2
                continue
            done += len(inputs)
        return statistics

    def _fit(self, layout: Layout, clean: Array, nudges: _Nudges, feeds: FeedsOf) -> None:
        """Choose the number of inputs in one run by the device memory that one more of them takes.

        The runtime keeps memory it has allocated, so that free memory shows it after the run. If the second run needs
        no more than the runtime kept from the first, nothing is known and the choice stays.
        """
        self._fitted = True
        left = []
        for count in (1, 2):
            try:
                self._measure_run(layout, list(range(count)), clean, nudges, feeds)
            except OutOfMemoryError:
                if count == 1:
                    raise
                self.batch_size = 1
                return
            left.append(free_memory())
        if left[0] is None or left[1] is None or left[0] <= left[1]:
            return
        fitting = int(left[1] * _MEMORY_FRACTION) // (left[0] - left[1])
        self.batch_size = max(1, min(_MAX_RUN_SAMPLES // (1 + self.copies), fitting))

    def _bounds(self, units: int) -> list[int]:
        """Divide the units of a probe into pieces that are small enough to compare at once."""
        size = units * self.batch_size * (1 + self.copies) * np.dtype(np.float32).itemsize
        pieces = max(1, -(-size // _MAX_PIECE_BYTES))
        return [i * units // pieces for i in range(pieces + 1)]

    def _measure_run(
        self, layout: Layout, inputs: list[int], clean: Array, nudges: _Nudges, feeds: FeedsOf
    ) -> RunStatistics:
        fed = feeds([i for i in inputs for _ in range(1 + self.copies)])
        columns: list[tuple[Array, Array]] = []
        outputs: dict[str, Array] = {}
        for start in range(0, nudges.count, self.copies):
            columns.append(self._run(layout, clean[inputs], nudges.at(inputs, start), fed, outputs))
        return self._statistics(columns, nudges.count, outputs)

    def _run(
        self,
        layout: Layout,
        clean: Array,
        nudges: Array | OrtValue,
        fed: Mapping[str, Array],
        outputs: dict[str, Array],
    ) -> tuple[Array, Array]:
        """Run inputs and copies together; the first run also fills in `outputs` of the clean inputs.

        Returns:
            E·Eᵀ of the site and the probes, [N, 1 + P, 1 + c, 1 + c], and C·Cᵀ of the probes, [N, P, 1 + c, 1 + c].
        """
        own = () if outputs else tuple(name for name in self._outputs if name in layout.shapes)
        count, group, probes = len(clean), 1 + self.copies, self._probes
        shapes: dict[str, tuple[int, ...] | None] = {
            self._pairs.products: (count, (1 + probes) * group, group),
            self._pairs.counts: (count, probes * group, group),
            # Shapes that a file declares for its outputs may be wrong.
            **dict.fromkeys(own),
        }
        products, counts, *rest = self._session.run_bound(
            shapes, {self._site: clean, self._pairs.nudges: nudges, **fed}
        )
        for name, array in zip(own, rest, strict=True):
            outputs[name] = layout.split(name, array, count * group)[::group]
        return products.reshape(count, -1, group, group), counts.reshape(count, -1, group, group)

    def _statistics(
        self, columns: list[tuple[Array, Array]], copies: int, outputs: Mapping[str, Array]
    ) -> RunStatistics:
        """Take the statistics from the products."""
        at_site, at_probes = [], []
        for products, counts in columns:
            for k in range(1, 1 + self.copies):
                at_site.append([_pairs(products[:, 0], None, k)])
                at_probes.append([_pairs(products[:, 1 + p], counts[:, p], k) for p in self._order])
        return RunStatistics(tabulate(at_site[:copies]), tabulate(at_probes[:copies]), outputs)


def _pairs(products: Array, counts: Array | None, copy: int) -> PairStatistics:
    """Statistics of one copy at one probe, for R inputs, from [R, 1 + c, 1 + c]."""
    if counts is None:
        active = flips = np.zeros(len(products), np.int64)
    else:
        active = counts[:, 0, 0].astype(np.int64)
        flips = active + counts[:, copy, copy].astype(np.int64) - 2 * counts[:, 0, copy].astype(np.int64)
    return PairStatistics(products[:, 0, 0], products[:, 0, copy], products[:, copy, copy], flips, active)


class _Nudges:
    """The nudges of one measurement, in the form that runs are fed.

    Attributes:
        count: K, the number of copies.
    """

    def __init__(
        self, nudges: FloatArray, together: int, dtype: str, bring: Callable[[Array], OrtValue]
    ) -> None:
        """Take the nudges.

        Args:
            nudges: [N, K, *site]; shared by all inputs if the stride of the first axis is 0.
            together: c, copies of each input in one run.
            dtype: Element type of the site.
            bring: Brings an array to the device.
        """
        self.count = nudges.shape[1]
        self._nudges, self._together, self._dtype, self._bring = nudges, together, dtype, bring
        self._shared = nudges.strides[0] == 0
        self._brought: dict[int, OrtValue] = {}

    def at(self, inputs: list[int], start: int) -> Array | OrtValue:
        """Return the nudges of one run, [1 or N, c, *site]; on the device if all inputs share them.

        Args:
            inputs: Indices of the inputs in the run.
            start: The first copy.
        """
        if not self._shared:
            return self._filled(inputs, start)
        if start not in self._brought:
            self._brought[start] = self._bring(self._filled([0], start))
        return self._brought[start]

    def _filled(self, inputs: list[int], start: int) -> Array:
        """Convert nudges to the site's dtype; missing copies at the end are 0."""
        chosen = self._nudges[inputs, start : start + self._together]
        # A nudge out of the dtype's range shows as an infinite activation.
        with np.errstate(over="ignore"):
            nudges: Array = chosen.astype(self._dtype)
        missing = self._together - nudges.shape[1]
        if missing:
            nudges = np.concatenate([nudges, np.zeros_like(nudges[:, :1]).repeat(missing, axis=1)], axis=1)
        return nudges
