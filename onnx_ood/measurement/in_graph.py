"""Pair statistics that the model computes itself: the way on a GPU, where only they cross the bus.

Clean inputs and their copies go through together; copies are made on the device, from one clean tensor and nudges that
are brought there once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto

from onnx_ood.graph import MOST_UNITS, Tensor, with_pair_statistics
from onnx_ood.measurement.arguments import FLOATS, Array, FloatArray
from onnx_ood.measurement.layout import Layout
from onnx_ood.measurement.providers import Provider
from onnx_ood.measurement.result import Part
from onnx_ood.measurement.session import OutOfMemoryError, Session
from onnx_ood.measurement.statistics import RowStatistics, tabulate

# Inputs and copies that go through together: more than a GPU can do at once brings nothing.
_TOGETHER = 64
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
        and layout.rows > 1
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
            inputs: How many inputs one run has; None for as many as are of use.
            copies: K, how many copies there will be.
            exact: True to run without fusions.

        Raises:
            ModelError: If onnxruntime refuses the model.
        """
        self.most = _TOGETHER - 1
        self.copies = min(copies, self.most)
        self.inputs = inputs or _TOGETHER // (1 + self.copies)
        self._site, self._outputs = site.name, tuple(outputs)
        self._dtype = site.dtype or "float32"
        handed_out = {
            carriers[name]: "float32" if dtypes[name] not in FLOATS else dtypes[name] for name in carriers
        }
        self._order = [list(handed_out).index(carriers[name]) for name in carriers]
        self._pairs = with_pair_statistics(
            proto,
            site.name,
            list(handed_out),
            {site.name: self._dtype, **handed_out},
            {carriers[name] for name in carriers if layout.units(name) < _FEW},
            self.copies,
            self._outputs,
        )
        self._session = Session(self._pairs.proto, path, provider, exact=exact)

    @property
    def placement(self) -> dict[str, int]:
        """Number of nodes that run on each execution provider of the runtime."""
        return self._session.placement

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
        parts: list[Part] = []
        done = 0
        while done < len(clean):
            inputs = list(range(done, min(done + self.inputs, len(clean))))
            try:
                parts.append(self._measure_run(layout, inputs, clean, shifts, feeds))
            except OutOfMemoryError:
                if len(inputs) == 1:
                    raise
                # What fits now fits from now on.
                self.inputs = len(inputs) // 2
                continue
            done += len(inputs)
        return parts

    def _measure_run(
        self, layout: Layout, inputs: list[int], clean: Array, shifts: FloatArray, feeds: Feeds
    ) -> Part:
        fed = feeds([i for i in inputs for _ in range(1 + self.copies)])
        columns: list[tuple[Array, Array]] = []
        outputs: dict[str, Array] = {}
        for start in range(0, shifts.shape[1], self.copies):
            nudges = self._nudges(shifts, inputs, start)
            columns.append(self._run(layout, clean[inputs], nudges, fed, outputs))
        return self._part(columns, shifts.shape[1], outputs)

    def _nudges(self, shifts: FloatArray, inputs: list[int], start: int) -> FloatArray:
        """The nudges of one run in the site's dtype, [1 or N, c, *site]; those that are missing at the end are 0."""
        shared = shifts.strides[0] == 0
        chosen = (
            shifts[:1, start : start + self.copies] if shared else shifts[inputs, start : start + self.copies]
        )
        # A nudge out of the dtype's range shows as an infinite activation.
        with np.errstate(over="ignore"):
            nudges: FloatArray = chosen.astype(self._dtype)
        missing = self.copies - nudges.shape[1]
        if missing:
            nudges = np.concatenate([nudges, np.zeros_like(nudges[:, :1]).repeat(missing, axis=1)], axis=1)
        return nudges

    def _run(
        self,
        layout: Layout,
        clean: Array,
        nudges: FloatArray,
        fed: Mapping[str, Array],
        outputs: dict[str, Array],
    ) -> tuple[Array, Array]:
        """Runs inputs and copies together; notes what the model gives for the clean inputs the first time."""
        own = () if outputs else tuple(name for name in self._outputs if name in layout.shapes)
        names = [self._pairs.products, self._pairs.counts, *own]
        products, counts, *rest = self._session.run(
            names, {self._site: clean, self._pairs.nudges: nudges, **fed}
        )
        for name, array in zip(own, rest, strict=True):
            shares = layout.cut(name, array, len(clean) * (1 + self.copies))
            outputs[name] = shares[:: 1 + self.copies]
        return products, counts

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
