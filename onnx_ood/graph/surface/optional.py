"""Optional values in place of outputs of which onnx can't tell the rank.

`onnx.checker` asks for the shape of an output that is a tensor, and a shape has a rank; of an optional value it asks
for the element type alone. onnxruntime gives the same array for either.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, TensorProto, TypeProto

from onnx_ood.graph.catalogue.names import Names

# The version of the operators that has optional values.
OLDEST_OPSET = 15


def of_any_rank(kind: TypeProto) -> bool:
    """True if the type of a tensor is known, but not its rank."""
    return (
        kind.WhichOneof("value") == "tensor_type"
        and kind.tensor_type.elem_type != TensorProto.UNDEFINED
        and not kind.tensor_type.HasField("shape")
    )


def as_optionals(model: ModelProto, outputs: Iterable[str]) -> dict[str, str]:
    """Hands outputs of unknown rank out as optional values.

    Args:
        model: The model; it is changed.
        outputs: Names of outputs that may be replaced.

    Returns:
        The new name of each that was, by its old one.
    """
    names, renamed = Names(model), {}
    wanted = set(outputs)
    for value in model.graph.output:
        if value.name in wanted and of_any_rank(value.type):
            optional = names.fresh(value.name)
            model.graph.node.add(op_type="Optional", name=optional, input=[value.name], output=[optional])
            element = value.type.tensor_type.elem_type
            renamed[value.name] = value.name = optional
            value.type.Clear()
            value.type.optional_type.elem_type.tensor_type.elem_type = element
    return renamed
