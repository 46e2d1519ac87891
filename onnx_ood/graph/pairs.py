"""Pair statistics as nodes of the graph, so that only a few numbers an input leave the device.

Clean inputs and their nudged copies go through the model together, each input's copies behind it. For a probe with
activations a of a clean input and bₖ of its copies, E = [a; b₁ − a; …; b_c − a] is one product with a constant
matrix, and E·Eᵀ holds ‖a‖², ⟨a, dₖ⟩ and ‖dₖ‖²; differences come first, so that nothing is lost to cancellation. With
the codes C (1 where a unit is on) the product C·Cᵀ counts units that are on in both, from which flips follow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from onnx_ood.graph.names import Names
from onnx_ood.graph.nudged import read_instead

# Counts are exact in float32 up to this many units.
MOST_UNITS = 2**24
# From this version on the axes of an Unsqueeze are an input.
_AXES_ARE_FED = 13


@dataclass(frozen=True)
class PairGraph:
    """A model that computes pair statistics itself.

    Attributes:
        proto: The model. Its own outputs have 1 + c rows for each input: clean, then the copies.
        nudges: The input that takes nudges, [1 or N, c, *site], in the site's dtype. (Other inputs have 1 + c rows for
            each input too.)
        products: The output with E·Eᵀ of the site and then of each probe, float64 [N, 1 + P, 1 + c, 1 + c].
        counts: The output with C·Cᵀ of each probe, float32 [N, P, 1 + c, 1 + c].
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
        copies: c, how many copies go through together.
        outputs: Outputs that stay outputs.

    Returns:
        The rewritten copy.
    """
    wide = {
        name: "float64" if dtype == "float64" or name in precise else "float32"
        for name, dtype in dtypes.items()
    }
    return _Writer(model, copies, dtypes, wide).write(site, carriers, outputs)


class _Writer:
    """Adds the nodes."""

    def __init__(
        self, model: ModelProto, copies: int, dtypes: Mapping[str, str], wide: Mapping[str, str]
    ) -> None:
        self._dtypes, self._wide = dtypes, wide
        self._proto = ModelProto()
        self._proto.CopyFrom(model)
        self._names = Names(model)
        self._group = 1 + copies
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
        self._before: list[NodeProto] = []
        self._behind: list[NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def write(self, site: str, carriers: Sequence[str], outputs: Collection[str]) -> PairGraph:
        """Adds everything."""
        graph = self._proto.graph
        declared = next(value for value in graph.input if value.name == site)
        nudges, together = self._names.fresh(f"{site}@nudges"), self._names.fresh(f"{site}@together")
        for node in graph.node:
            read_instead(node, site, together)
        sizes = self._node(self._before, "Shape", [site])
        rows = self._node(self._before, "Gather", [sizes, self._integers(0)], axis=0)
        self._put_together(declared, sizes, nudges, together)
        products, counts = [self._products(self._grouped(together, site, rows), site)], []
        for carrier in carriers:
            # What a model hands straight through is the input.
            grouped = self._grouped(together if carrier == site else carrier, carrier, rows)
            products.append(self._products(grouped, carrier))
            counts.append(self._counts(grouped, carrier))
        results = [self._node(self._behind, "Concat", parts, axis=1) for parts in (products, counts)]
        own = [value for value in graph.output if value.name in outputs]
        _replace(graph.node, [*self._before, *graph.node, *self._behind])
        _replace(graph.output, [*own, *(ValueInfoProto(name=name) for name in results)])
        return PairGraph(self._proto, nudges, *results)

    def _put_together(self, site: ValueInfoProto, sizes: str, nudges: str, together: str) -> None:
        """Each input and its copies, one behind the other along the batch axis."""
        kind = site.type.tensor_type
        value = self._proto.graph.input.add(name=nudges)
        value.type.tensor_type.elem_type = kind.elem_type
        for i in range(1 + len(kind.shape.dim)):
            dim = value.type.tensor_type.shape.dim.add()
            if i == 1:
                dim.dim_value = self._group - 1
        clean = self._unsqueezed(site.name, self._before)
        copies = self._node(self._before, "Add", [clean, nudges])
        grouped = self._node(self._before, "Concat", [clean, copies], axis=1)
        shape = [self._integers(-1)]
        if len(kind.shape.dim) > 1:
            own = self._integers(*range(1, len(kind.shape.dim)))
            shape.append(self._node(self._before, "Gather", [sizes, own], axis=0))
        target = self._node(self._before, "Concat", shape, axis=0)
        self._before.append(helper.make_node("Reshape", [grouped, target], [together], name=together))

    def _grouped(self, name: str, of: str, rows: str) -> str:
        """A tensor as [N, 1 + c, units], in the type in which it is multiplied."""
        if self._wide[of] != self._dtypes[of]:
            to = TensorProto.DOUBLE if self._wide[of] == "float64" else TensorProto.FLOAT
            name = self._node(self._behind, "Cast", [name], to=to)
        shape = self._node(
            self._behind, "Concat", [rows, self._integers(self._group), self._integers(-1)], axis=0
        )
        return self._node(self._behind, "Reshape", [name, shape])

    def _products(self, grouped: str, of: str) -> str:
        """E·Eᵀ, float64 [N, 1, 1 + c, 1 + c]."""
        differences = np.eye(self._group, dtype=self._wide[of])
        differences[1:, 0] = -1
        rows = self._node(self._behind, "MatMul", [self._stored(differences), grouped])
        return self._node(self._behind, "Cast", [self._gram(rows)], to=TensorProto.DOUBLE)

    def _counts(self, grouped: str, of: str) -> str:
        """C·Cᵀ, float32 [N, 1, 1 + c, 1 + c]."""
        zero = self._stored(np.zeros((), dtype=self._wide[of]))
        on = self._node(self._behind, "Greater", [grouped, zero])
        return self._gram(self._node(self._behind, "Cast", [on], to=TensorProto.FLOAT))

    def _gram(self, rows: str) -> str:
        """The products of all pairs of rows, [N, 1, 1 + c, 1 + c]."""
        turned = self._node(self._behind, "Transpose", [rows], perm=[0, 2, 1])
        return self._unsqueezed(self._node(self._behind, "MatMul", [rows, turned]), self._behind)

    def _unsqueezed(self, name: str, nodes: list[NodeProto]) -> str:
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
