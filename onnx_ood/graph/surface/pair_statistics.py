"""Pair statistics as nodes of the graph, so that only a few numbers an input leave the device.

Clean inputs and their nudged copies go through the model together, each input's copies behind it. For a probe with
activations a of a clean input and bₖ of its copies, E = [a; b₁ − a; …; b_c − a] is one product with a constant
matrix, and E·Eᵀ holds ‖a‖², ⟨a, dₖ⟩ and ‖dₖ‖²; differences come first, so that nothing is lost to cancellation. With
the codes C (1 where a unit is on) the product C·Cᵀ counts units that are on in both, from which flips follow.

E and C are as large as the activations. So the nodes of a probe stand right behind the node that computes it, and large
probes are compared piece by piece: where nodes run in the order in which they stand, one piece is all that is held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.surface.open_site import read_instead

# Counts are exact in float32 up to this many units.
MAX_UNITS = 2**24
# From these versions on the axes of an Unsqueeze, and the bounds of a Slice, are inputs.
_AXES_ARE_FED = 13
_BOUNDS_ARE_FED = 10
# The runtime's own operators.
_CONTRIB = "com.microsoft"


@dataclass(frozen=True)
class PairGraph:
    """A model that computes pair statistics itself.

    Attributes:
        proto: The model. Its own outputs have 1 + c rows for each input: clean, then the copies.
        nudges: The input that takes nudges, [1 or N, c, *site], in the site's dtype. (Other inputs have 1 + c rows for
            each input too.)
        products: The output with E·Eᵀ of the site and then of each probe, float64 [N, (1 + P)·(1 + c), 1 + c].
        counts: The output with C·Cᵀ of each probe, float32 [N, P·(1 + c), 1 + c].
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
    """Adds to a model nodes that nudge an input and compare each input with its copies.

    Args:
        model: The model, with the carriers among its outputs; it is not changed.
        site: The input that is nudged. Its first axis, and that of every carrier, is the batch.
        carriers: Outputs that carry the P probes.
        dtypes: Element type of the site and of every carrier.
        precise: Of these, those that are multiplied in float64: few units, over which rounding doesn't average out.
        bounds: Where the units of the site and of every carrier are parted into pieces, from 0 to their number.
        copies: c, how many copies go through together.
        outputs: Outputs that stay outputs.

    Returns:
        The rewritten copy.
    """
    wide = {
        name: "float64" if dtype == "float64" or name in precise else "float32"
        for name, dtype in dtypes.items()
    }
    return _Writer(model, copies, dtypes, wide, bounds).write(site, carriers, outputs)


class _Writer:
    """Adds the nodes."""

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
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def write(self, site: str, carriers: Sequence[str], outputs: Collection[str]) -> PairGraph:
        """Adds everything."""
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
        # What a model hands straight through is the input, or a constant.
        behind: dict[str, list[NodeProto]] = {name: [] for node in graph.node for name in node.output}
        for carrier in carriers:
            name = together if carrier == site else carrier
            nodes = behind.get(name, before)
            products.append(self._products(nodes, name, carrier, target))
            counts.append(self._counts(nodes, name, carrier, target))
        ordered = before
        for node in graph.node:
            ordered.append(node)
            for name in node.output:
                ordered += behind[name]
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
        """Each input and its copies, one behind the other along the batch axis."""
        kind = site.type.tensor_type
        value = self._proto.graph.input.add(name=nudges)
        value.type.tensor_type.elem_type = kind.elem_type
        for i in range(1 + len(kind.shape.dim)):
            dim = value.type.tensor_type.shape.dim.add()
            if i == 1:
                dim.dim_value = self._group - 1
        clean = self._unsqueezed(nodes, site.name)
        copies = self._node(nodes, "Add", [clean, nudges])
        grouped = self._node(nodes, "Concat", [clean, copies], axis=1)
        shape = [self._integers(-1)]
        if len(kind.shape.dim) > 1:
            own = self._integers(*range(1, len(kind.shape.dim)))
            shape.append(self._node(nodes, "Gather", [sizes, own], axis=0))
        target = self._node(nodes, "Concat", shape, axis=0)
        nodes.append(helper.make_node("Reshape", [grouped, target], [together], name=together))

    def _products(self, nodes: list[NodeProto], name: str, of: str, target: str) -> str:
        """E·Eᵀ, float64 [N, 1 + c, 1 + c]."""
        differences = np.eye(self._group, dtype=self._wide[of])
        differences[1:, 0] = -1
        stored = self._stored(differences)

        def product(piece: str) -> str:
            rows = self._node(nodes, "MatMul", [stored, piece])
            return self._gram(nodes, rows, self._wide[of])

        summed = self._summed(nodes, name, of, target, product)
        return self._node(nodes, "Cast", [summed], to=TensorProto.DOUBLE)

    def _counts(self, nodes: list[NodeProto], name: str, of: str, target: str) -> str:
        """C·Cᵀ, float32 [N, 1 + c, 1 + c]."""
        zero = self._stored(np.zeros((), dtype=self._wide[of]))

        def product(piece: str) -> str:
            on = self._node(nodes, "Greater", [piece, zero])
            codes = self._node(nodes, "Cast", [on], to=TensorProto.FLOAT)
            return self._gram(nodes, codes, "float32")

        return self._summed(nodes, name, of, target, product)

    def _summed(
        self, nodes: list[NodeProto], name: str, of: str, target: str, product: Callable[[str], str]
    ) -> str:
        """The sum of a product over the pieces of a tensor, each [N, 1 + c, units] in the type that is multiplied."""
        grouped = self._node(nodes, "Reshape", [name, target])
        bounds = self._bounds[of]
        pieces = []
        for first, last in pairwise(bounds):
            piece = grouped if len(bounds) == 2 else self._sliced(nodes, grouped, first, last)
            if self._wide[of] != self._dtypes[of]:
                to = TensorProto.DOUBLE if self._wide[of] == "float64" else TensorProto.FLOAT
                piece = self._node(nodes, "Cast", [piece], to=to)
            pieces.append(product(piece))
        return pieces[0] if len(pieces) == 1 else self._node(nodes, "Sum", pieces)

    def _gram(self, nodes: list[NodeProto], rows: str, dtype: str) -> str:
        """The products of all pairs of rows, [N, 1 + c, 1 + c]."""
        if dtype == "float32":
            # What the runtime would make of the two nodes below, but then it would stand behind all others.
            return self._node(nodes, "FusedMatMul", [rows, rows], domain=_CONTRIB, transB=1)
        turned = self._node(nodes, "Transpose", [rows], perm=[0, 2, 1])
        return self._node(nodes, "MatMul", [rows, turned])

    def _sliced(self, nodes: list[NodeProto], name: str, first: int, last: int) -> str:
        """Units of a tensor [N, 1 + c, units]."""
        if self._opset < _BOUNDS_ARE_FED:
            return self._node(nodes, "Slice", [name], axes=[2], starts=[first], ends=[last])
        bounds = [self._integers(number) for number in (first, last, 2)]
        return self._node(nodes, "Slice", [name, *bounds])

    def _unsqueezed(self, nodes: list[NodeProto], name: str) -> str:
        """A tensor with a second axis of size 1."""
        if self._opset < _AXES_ARE_FED:
            return self._node(nodes, "Unsqueeze", [name], axes=[1])
        return self._node(nodes, "Unsqueeze", [name, self._integers(1)])

    def _node(self, nodes: list[NodeProto], op: str, inputs: Sequence[str], **attributes: Any) -> str:
        result = self._names.fresh(f"pairs/{op}")
        nodes.append(helper.make_node(op, inputs, [result], name=result, **attributes))
        return result

    def _integers(self, *values: int) -> str:
        return self._stored(np.array(values, dtype=np.int64))

    def _stored(self, values: NDArray[np.generic]) -> str:
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._constants:
            self._constants[key] = self._names.fresh("pairs/constant")
            self._proto.graph.initializer.append(numpy_helper.from_array(values, self._constants[key]))
        return self._constants[key]


def _replace(entries: Any, wanted: Sequence[Message]) -> None:
    """Sets a repeated field anew; what is wanted may be in it."""
    copies = [type(entry).FromString(entry.SerializeToString()) for entry in wanted]
    del entries[:]
    entries.extend(copies)
