"""Pair statistics as nodes of the graph, so that only a few numbers per input leave the device.

Clean inputs and their nudged copies run through the model together, each input followed by its copies. For a probe with
activations a of a clean input and bₖ of its copies, E = [a; b₁ − a; …; b_c − a] is one product with a constant
matrix, and E·Eᵀ holds ‖a‖², ⟨a, dₖ⟩ and ‖dₖ‖², with dₖ = bₖ − a; differences come first to avoid cancellation. With the
activation patterns C (1 for an active unit), C·Cᵀ counts the units active in both, from which flips follow.

E and C are as large as the activations. So the nodes of a probe directly follow the node that computes it, and large
probes are processed in chunks: if nodes run in file order, only one chunk is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from google.protobuf.message import Message
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nodes import standard_opset
from onnx_ood.graph.surface.open_site import read_instead

# Counts are exact in float32 up to this number of units.
MAX_UNITS = 2**24
# First versions of the operators with the axes of an Unsqueeze, and the bounds of a Slice, as inputs.
_MIN_OPSET_AXES_INPUT = 13
_MIN_OPSET_BOUNDS_INPUTS = 10
# onnxruntime's own operators.
_CONTRIB = "com.microsoft"


@dataclass(frozen=True)
class PairGraph:
    """A model that computes pair statistics.

    Attributes:
        proto: The model. Its own outputs have 1 + c rows per input: clean, then the copies.
        nudges: Input for nudges, [1 or N, c, *site], in the site's dtype. Other inputs have 1 + c rows per input too.
        products: Output with E·Eᵀ of the site, then of each probe, float64 [N, (1 + P)·(1 + c), 1 + c].
        counts: Output with C·Cᵀ of each probe, float32 [N, P·(1 + c), 1 + c].
    """

    proto: ModelProto
    nudges: str
    products: str
    counts: str


def with_pair_statistics(
    model: ModelProto,
    site: str,
    carriers: Sequence[str],
    dtypes: Mapping[str, str],
    precise: Collection[str],
    bounds: Mapping[str, Sequence[int]],
    copies: int,
    outputs: Collection[str],
) -> PairGraph:
    """Add nodes to a model that nudge an input and compare each input with its copies.

    Args:
        model: The model, with the probes among its outputs; it is not changed.
        site: The input to nudge. The first axis of the site and of every probe is the batch.
        carriers: Outputs with the P probes.
        dtypes: Element type of the site and of every probe output.
        precise: Tensors to multiply in float64: those with too few units for rounding to average out.
        bounds: Boundaries between chunks of units, from 0 to the number of units, by site or probe output.
        copies: Number c of copies that run together.
        outputs: Outputs to keep.

    Returns:
        The rewritten copy.
    """
    wide = {
        name: "float64" if dtype == "float64" or name in precise else "float32"
        for name, dtype in dtypes.items()
    }
    return _Writer(model, copies, dtypes, wide, bounds).write(site, carriers, outputs)


class _Writer:
    """A copy of a model to which nodes are added."""

    def __init__(
        self,
        model: ModelProto,
        copies: int,
        dtypes: Mapping[str, str],
        wide: Mapping[str, str],
        bounds: Mapping[str, Sequence[int]],
    ) -> None:
        self._dtypes, self._wide, self._bounds = dtypes, wide, bounds
        self._proto = ModelProto()
        self._proto.CopyFrom(model)
        self._names = Names(model)
        self._group = 1 + copies
        self._opset = standard_opset(model)
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def write(self, site: str, carriers: Sequence[str], outputs: Collection[str]) -> PairGraph:
        """Add all nodes."""
        graph = self._proto.graph
        declared = next(value for value in graph.input if value.name == site)
        nudges, together = self._names.fresh(f"{site}@nudges"), self._names.fresh(f"{site}@together")
        for node in graph.node:
            read_instead(node, site, together)
        before: list[NodeProto] = []
        sizes = self._node(before, "Shape", [site])
        rows = self._node(before, "Gather", [sizes, self._integers(0)], axis=0)
        target = self._node(before, "Concat", [rows, self._integers(self._group), self._integers(-1)], axis=0)
        self._put_together(before, declared, sizes, nudges, together)
        products, counts = [self._products(before, together, site, target)], []
        # A probe that no node computes is the input or a constant.
        following: dict[str, list[NodeProto]] = {name: [] for node in graph.node for name in node.output}
        for carrier in carriers:
            name = together if carrier == site else carrier
            nodes = following.get(name, before)
            products.append(self._products(nodes, name, carrier, target))
            counts.append(self._counts(nodes, name, carrier, target))
        ordered = before
        for node in graph.node:
            ordered.append(node)
            for name in node.output:
                ordered += following[name]
        if all(entry.domain != _CONTRIB for entry in self._proto.opset_import):
            self._proto.opset_import.add(domain=_CONTRIB, version=1)
        results = [self._node(ordered, "Concat", parts, axis=1) for parts in (products, counts)]
        own = [value for value in graph.output if value.name in outputs]
        _replace(graph.node, ordered)
        _replace(graph.output, [*own, *(ValueInfoProto(name=name) for name in results)])
        return PairGraph(self._proto, nudges, *results)

    def _put_together(
        self, nodes: list[NodeProto], site: ValueInfoProto, sizes: str, nudges: str, together: str
    ) -> None:
        """Concatenate each input and its copies along the batch axis."""
        tensor = site.type.tensor_type
        value = self._proto.graph.input.add(name=nudges)
        value.type.tensor_type.elem_type = tensor.elem_type
        for i in range(1 + len(tensor.shape.dim)):
            dim = value.type.tensor_type.shape.dim.add()
            if i == 1:
                dim.dim_value = self._group - 1
        clean = self._unsqueezed(nodes, site.name)
        copies = self._node(nodes, "Add", [clean, nudges])
        grouped = self._node(nodes, "Concat", [clean, copies], axis=1)
        shape = [self._integers(-1)]
        if len(tensor.shape.dim) > 1:
            own = self._integers(*range(1, len(tensor.shape.dim)))
            shape.append(self._node(nodes, "Gather", [sizes, own], axis=0))
        target = self._node(nodes, "Concat", shape, axis=0)
        nodes.append(helper.make_node("Reshape", [grouped, target], [together], name=together))

    def _products(self, nodes: list[NodeProto], name: str, of: str, target: str) -> str:
        """E·Eᵀ, float64 [N, 1 + c, 1 + c]."""
        differences = np.eye(self._group, dtype=self._wide[of])
        differences[1:, 0] = -1
        stored = self._stored(differences)

        def product(chunk: str) -> str:
            rows = self._node(nodes, "MatMul", [stored, chunk])
            return self._gram(nodes, rows, self._wide[of])

        summed = self._summed(nodes, name, of, target, product)
        return self._node(nodes, "Cast", [summed], to=TensorProto.DOUBLE)

    def _counts(self, nodes: list[NodeProto], name: str, of: str, target: str) -> str:
        """C·Cᵀ, float32 [N, 1 + c, 1 + c]."""
        zero = self._stored(np.zeros((), dtype=self._wide[of]))

        def product(chunk: str) -> str:
            active = self._node(nodes, "Greater", [chunk, zero])
            pattern = self._node(nodes, "Cast", [active], to=TensorProto.FLOAT)
            return self._gram(nodes, pattern, "float32")

        return self._summed(nodes, name, of, target, product)

    def _summed(
        self, nodes: list[NodeProto], name: str, of: str, target: str, product: Callable[[str], str]
    ) -> str:
        """Sum a product over the chunks of a tensor, each [N, 1 + c, units] in the type to multiply in."""
        grouped = self._node(nodes, "Reshape", [name, target])
        bounds = self._bounds[of]
        products = []
        for first, last in pairwise(bounds):
            chunk = grouped if len(bounds) == 2 else self._sliced(nodes, grouped, first, last)
            if self._wide[of] != self._dtypes[of]:
                to = TensorProto.DOUBLE if self._wide[of] == "float64" else TensorProto.FLOAT
                chunk = self._node(nodes, "Cast", [chunk], to=to)
            products.append(product(chunk))
        return products[0] if len(products) == 1 else self._node(nodes, "Sum", products)

    def _gram(self, nodes: list[NodeProto], rows: str, dtype: str) -> str:
        """Products of all pairs of rows, [N, 1 + c, 1 + c]."""
        if dtype == "float32":
            # The runtime would fuse the two nodes below into this one, but move it after all others.
            return self._node(nodes, "FusedMatMul", [rows, rows], domain=_CONTRIB, transB=1)
        transposed = self._node(nodes, "Transpose", [rows], perm=[0, 2, 1])
        return self._node(nodes, "MatMul", [rows, transposed])

    def _sliced(self, nodes: list[NodeProto], name: str, first: int, last: int) -> str:
        """Units of a tensor [N, 1 + c, units]."""
        if self._opset < _MIN_OPSET_BOUNDS_INPUTS:
            return self._node(nodes, "Slice", [name], axes=[2], starts=[first], ends=[last])
        bounds = [self._integers(number) for number in (first, last, 2)]
        return self._node(nodes, "Slice", [name, *bounds])

    def _unsqueezed(self, nodes: list[NodeProto], name: str) -> str:
        """Add a second axis of size 1 to a tensor."""
        if self._opset < _MIN_OPSET_AXES_INPUT:
            return self._node(nodes, "Unsqueeze", [name], axes=[1])
        return self._node(nodes, "Unsqueeze", [name, self._integers(1)])

    def _node(self, nodes: list[NodeProto], op: str, inputs: Sequence[str], **attributes: Any) -> str:
        result = self._names.fresh(f"pairs/{op}")
        nodes.append(helper.make_node(op, inputs, [result], name=result, **attributes))
        return result

    def _integers(self, *values: int) -> str:
        return self._stored(np.array(values, dtype=np.int64))

    def _stored(self, values: Array) -> str:
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._constants:
            self._constants[key] = self._names.fresh("pairs/constant")
            self._proto.graph.initializer.append(numpy_helper.from_array(values, self._constants[key]))
        return self._constants[key]


def _replace(entries: Any, wanted: Sequence[Message]) -> None:
    """Replace the entries of a repeated field; the new ones may be among the old."""
    copies = [type(entry).FromString(entry.SerializeToString()) for entry in wanted]
    del entries[:]
    entries.extend(copies)
