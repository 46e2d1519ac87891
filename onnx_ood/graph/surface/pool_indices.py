"""Indices of the largest elements in windows of MaxPool nodes, as further tensors of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onnx import ModelProto

from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.names import Names


@dataclass(frozen=True, slots=True)
class PoolIndices:
    """Tensors added for one MaxPool.

    Attributes:
        indices: Indices of the largest elements in the flattened input of the pool.
        shape: Shape of that input.
    """

    indices: str
    shape: str


def with_pool_indices(model: Model, pools: Iterable[str]) -> tuple[Model, dict[str, PoolIndices]]:
    """Copy a model and add nodes that compute the indices of the largest elements in windows.

    Args:
        model: The model.
        pools: Outputs of MaxPool nodes in the main graph.

    Returns:
        The copy, and the added tensors by pool.
    """
    pools = set(pools)
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    names = Names(proto)
    found = {}
    for node in model.proto.graph.node:
        if node.output and node.output[0] in pools:
            name = node.output[0]
            added = PoolIndices(names.fresh(f"{name}@places"), names.fresh(f"{name}@shape"))
            again = proto.graph.node.add()
            again.CopyFrom(node)
            again.name = names.fresh(f"{name}@again")
            del again.output[:]
            again.output.extend([names.fresh(f"{name}@largest"), added.indices])
            proto.graph.node.add(
                op_type="Shape",
                name=names.fresh(f"{name}@measured"),
                input=[node.input[0]],
                output=[added.shape],
            )
            found[name] = added
    return Model(model.path, proto, model.data_files), found
