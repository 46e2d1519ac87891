"""Operators of a model at any depth, and stored values that are not finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.external import external_fields, relocated, stored_tensors
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nodes import qualified_op, subgraphs

# Types with NaN or infinity, stored as plain bytes.
_FLOAT_TYPES = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.FLOAT8E4M3FNUZ,
        TensorProto.FLOAT8E5M2,
        TensorProto.FLOAT8E5M2FNUZ,
        TensorProto.COMPLEX64,
        TensorProto.COMPLEX128,
    }
)
# Elements of an external tensor in memory at one time.
_CHUNK_ELEMENTS = 1 << 22


class NonFinite(NamedTuple):
    """Stored values that are not finite.

    Attributes:
        nan: Number of NaN.
        infinite: Number of infinities.
        tensors: Names of the tensors with such values.
    """

    nan: int
    infinite: int
    tensors: tuple[str, ...]


def all_operators(model: Model) -> tuple[str, ...]:
    """List the operator types of all nodes, inside control flow and functions too.

    Args:
        model: The model.

    Returns:
        Distinct types, sorted; `domain::Type` outside the standard domain.
    """
    bodies = [model.proto.graph.node, *(function.node for function in model.proto.functions)]
    return tuple(sorted({qualified_op(node) for body in bodies for node in _nodes(body)}))


def count_non_finite(model: Model) -> NonFinite:
    """Count NaN and infinity among stored floats: weights and constants at any depth.

    Args:
        model: The model; external data is read from disk in chunks.

    Raises:
        ModelError: If the stored values of a tensor do not fit its shape.
    """
    proto, folder = relocated(model.proto, model.path)
    nan, infinite, tensors = 0, 0, []
    for tensor in stored_tensors(proto):
        if tensor.data_type not in _FLOAT_TYPES:
            continue
        found = 0
        try:
            for values in _chunks(tensor, folder):
                undefined = int(np.isnan(values).sum())
                nan += undefined
                infinite += (count := int((~np.isfinite(values)).sum())) - undefined
                found += count
        except (OSError, KeyError, TypeError, ValueError):
            raise ModelError(
                f"{model.path}: the stored values of tensor {tensor.name[:80]!r} do not fit its shape "
                f"{list(tensor.dims[:8])}; the model is damaged: export or fetch it again"
            ) from None
        if found:
            tensors.append(tensor.name)
    return NonFinite(nan, infinite, tuple(tensors))


def _chunks(tensor: TensorProto, folder: Path) -> Iterator[Array]:
    """Yield all values of a tensor; ValueError if their number does not fit its shape."""
    if min(tensor.dims, default=0) < 0:
        raise ValueError
    if tensor.data_location != TensorProto.EXTERNAL:
        yield numpy_helper.to_array(tensor)
        return
    fields = external_fields(tensor)
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
    left = prod(tensor.dims)
    with (folder / fields["location"]).open("rb") as file:
        file.seek(int(fields.get("offset", 0)))
        while left > 0:
            size = min(left, _CHUNK_ELEMENTS)
            # If the file ends too early, `frombuffer` raises.
            yield np.frombuffer(file.read(size * dtype.itemsize), dtype, size)
            left -= size


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from _nodes(graph.node)
