"""Optional values in place of outputs of unknown rank.

`onnx.checker` requires the shape, hence the rank, of an output that is a tensor, but only the element type of an
optional one. onnxruntime returns the same array for either.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, TensorProto

from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.type_protos import kind_of, rank_of

# First version of the operators with optional values.
MIN_OPSET = 15


def as_optionals(model: ModelProto, outputs: Iterable[str]) -> dict[str, str]:
    """Turn outputs of known dtype and unknown rank into optional values.

    Args:
        model: The model; it is changed.
        outputs: Names of the outputs that may be replaced.

    Returns:
        New names of the replaced outputs, by old name.
    """
    names, renamed = Names(model), {}
    replaceable = set(outputs)
    for value in model.graph.output:
        elem_type = value.type.tensor_type.elem_type
        if (
            value.name in replaceable
            and kind_of(value.type) == "tensor_type"
            and elem_type != TensorProto.UNDEFINED
            and rank_of(value.type) is None
        ):
            optional = names.fresh(value.name)
            model.graph.node.add(op_type="Optional", name=optional, input=[value.name], output=[optional])
            renamed[value.name] = value.name = optional
            value.type.Clear()
            value.type.optional_type.elem_type.tensor_type.elem_type = elem_type
    return renamed
