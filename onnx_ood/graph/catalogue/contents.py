"""What a model file holds at any depth: its operators, and stored numbers that are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.external import external_fields, relocated, stored_tensors
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.order import subgraphs

# Types that have NaN or infinity and are read as bytes just as they are stored.
_FLOATS = frozenset(
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
# Numbers of an external tensor that are looked at at once.
_CHUNK = 1 << 22


class NonFinite(NamedTuple):
    """Stored values that are no finite numbers.

    Attributes:
        nan: How many are NaN.
        infinite: How many are infinite.
        tensors: Names of the tensors that hold them.
    """

    nan: int
    infinite: int
    tensors: tuple[str, ...]


def all_operators(model: Model) -> tuple[str, ...]:
    """Operator types of all nodes, those inside control flow and functions too, sorted.

    Args:
        model: The model.

    Returns:
        Names, `domain::Type` outside the standard domain; each once.
    """
    bodies = [model.proto.graph.node, *(function.node for function in model.proto.functions)]
    return tuple(sorted({_name(node) for body in bodies for node in _nodes(body)}))


def count_non_finite(model: Model) -> NonFinite:
    """Looks for NaN and infinity among stored floats: weights, and constants at any depth.

    Args:
        model: The model; external data is read from disk in pieces.

    Raises:
        ModelError: If a tensor holds other values than its shape says: then what is stored is not known.
    """
    proto, folder = relocated(model.proto, model.path)
    nan, infinite, tensors = 0, 0, []
    for tensor in stored_tensors(proto):
        if tensor.data_type not in _FLOATS:
            continue
        found = 0
        try:
            for values in _pieces(tensor, folder):
                undefined = int(np.isnan(values).sum())
                nan += undefined
                infinite += (count := int((~np.isfinite(values)).sum())) - undefined
                found += count
        except (OSError, ValueError):
            raise ModelError(
                f"{model.path}: what is stored of tensor {tensor.name[:80]!r} doesn't fill its shape "
                f"{list(tensor.dims[:8])}; the model is damaged: export or fetch it again"
            ) from None
        if found:
            tensors.append(tensor.name)
    return NonFinite(nan, infinite, tuple(tensors))


def _pieces(tensor: TensorProto, folder: Any) -> Iterator[NDArray[Any]]:
    """The values of a tensor, all of them: ValueError where there are fewer or more."""
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
            size = min(left, _CHUNK)
            # A file that ends too early gives too few bytes, which are no array of that size.
            yield np.frombuffer(file.read(size * dtype.itemsize), dtype, size)
            left -= size


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from _nodes(graph.node)


def _name(node: NodeProto) -> str:
    return node.op_type if node.domain in {"", "ai.onnx"} else f"{node.domain}::{node.op_type}"
