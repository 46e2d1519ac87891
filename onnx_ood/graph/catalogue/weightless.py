"""A model without its weights, for type inference."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from onnx import ModelProto, NodeProto, TensorProto

# Initializers up to this many elements are kept for shape inference (a Reshape's target shape is one);
# larger ones are weights, of which only dtype and shape matter.
_SHAPE_SIZED = 1024


def without_weights(model: ModelProto, nodes: Iterable[NodeProto]) -> ModelProto:
    """Copies a model for type inference, large initializers as typed inputs, so that no weight is copied.

    Args:
        model: The model; it is not changed.
        nodes: The nodes of the copy's main graph.

    Returns:
        The copy.
    """
    copy = ModelProto(ir_version=model.ir_version)
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    source, target = model.graph, copy.graph
    target.node.extend(nodes)
    target.input.extend(source.input)
    target.output.extend(source.output)
    target.value_info.extend(source.value_info)
    target.sparse_initializer.extend(source.sparse_initializer)
    stated = {value.name for value in source.input}
    for tensor in source.initializer:
        if tensor.data_location != TensorProto.EXTERNAL and prod(tensor.dims) <= _SHAPE_SIZED:
            target.initializer.append(tensor)
        elif tensor.name not in stated:
            value = target.input.add(name=tensor.name)
            value.type.tensor_type.elem_type = tensor.data_type
            value.type.tensor_type.shape.SetInParent()
            for size in tensor.dims:
                value.type.tensor_type.shape.dim.add(dim_value=size)
    return copy
