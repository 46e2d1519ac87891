"""Types of ONNX values as protobuf messages: read, derived and made."""

from __future__ import annotations

from typing import TypeGuard

from onnx import GraphProto, TensorProto, TensorShapeProto, TypeProto

from onnx_ood.exceptions import UsageError

# Element types without a numpy dtype, and the type that holds their values without loss.
_CASTS = {
    **dict.fromkeys(
        (
            "BFLOAT16",
            "FLOAT8E4M3FN",
            "FLOAT8E4M3FNUZ",
            "FLOAT8E5M2",
            "FLOAT8E5M2FNUZ",
            "FLOAT8E8M0",
            "FLOAT4E2M1",
        ),
        TensorProto.FLOAT,
    ),
    **dict.fromkeys(("INT4", "INT2"), TensorProto.INT8),
    **dict.fromkeys(("UINT4", "UINT2"), TensorProto.UINT8),
}
# By number; not every release of onnx defines all of them.
CAST_TO: dict[int, int] = {
    number: _CASTS[name] for name, number in TensorProto.DataType.items() if name in _CASTS
}


def types_in(graph: GraphProto) -> dict[str, TypeProto]:
    """Collect the declared types of a graph's values by name, without empty types."""
    return {
        value.name: value.type
        for values in (graph.input, graph.value_info, graph.output)
        for value in values
        if value.type.WhichOneof("value")
    }


def kind_of(type_proto: TypeProto | None) -> str | None:
    """Name the kind of a type, such as `"tensor_type"` or `"sequence_type"`; None if unknown."""
    return type_proto.WhichOneof("value") if type_proto is not None else None


def has_element_type(type_proto: TypeProto | None) -> TypeGuard[TypeProto]:
    """Return whether a type is known as far as its elements go, whatever its shape."""
    kind = kind_of(type_proto)
    return (
        type_proto is not None
        and kind is not None
        and (kind != "tensor_type" or type_proto.tensor_type.elem_type != TensorProto.UNDEFINED)
    )


def rank_of(type_proto: TypeProto | None) -> int | None:
    """Count the axes of a tensor type; None if unknown or not a tensor."""
    if type_proto is None or kind_of(type_proto) != "tensor_type":
        return None
    return len(type_proto.tensor_type.shape.dim) if type_proto.tensor_type.HasField("shape") else None


def static_shape(type_proto: TypeProto | None) -> tuple[int, ...] | None:
    """Shape of a tensor type, None unless every size is a number."""
    if type_proto is None or rank_of(type_proto) is None:
        return None
    dims = type_proto.tensor_type.shape.dim
    # Some exporters write −1 for "any size".
    known = all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims)
    return tuple(dim.dim_value for dim in dims) if known else None


def element_type(dtype: str) -> int:
    """Convert a dtype name to the number of its element type.

    Args:
        dtype: A name such as `"float32"`, `"int64"` or `"bool"`.

    Returns:
        The value of `TensorProto.DataType`.

    Raises:
        UsageError: If ONNX has no such element type.

    Examples:
        >>> element_type("float32")
        1
    """
    name = {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper())
    if name not in TensorProto.DataType.keys():  # noqa: SIM118 - protobuf's enum wrapper is not a mapping
        raise UsageError(f"{dtype!r} is not an ONNX element type; use a name such as 'float32' or 'int64'")
    return TensorProto.DataType.Value(name)


def tensor_type(elem_type: int, rank: int | None = None) -> TypeProto:
    """Make a tensor type without known sizes.

    Args:
        elem_type: A value of `TensorProto.DataType`.
        rank: Number of axes, None for a tensor of any rank.
    """
    made = TypeProto()
    made.tensor_type.elem_type = elem_type
    if rank is not None:
        made.tensor_type.shape.SetInParent()
        for _ in range(rank):
            made.tensor_type.shape.dim.add()
    return made


def sequence_type(elem_type: int) -> TypeProto:
    """Make the type of a sequence of tensors of any shape."""
    made = TypeProto()
    made.sequence_type.elem_type.tensor_type.elem_type = elem_type
    return made


def cast_type(type_proto: TypeProto | None) -> TypeProto | None:
    """Type of the cast copy of a tensor that numpy cannot hold, None if no cast is needed."""
    if type_proto is None or kind_of(type_proto) != "tensor_type":
        return None
    target = CAST_TO.get(type_proto.tensor_type.elem_type)
    if target is None:
        return None
    copy = _copied(type_proto)
    copy.tensor_type.elem_type = target
    return copy


def stacked_type(type_proto: TypeProto | None) -> TypeProto | None:
    """Type of one tensor per iteration, stacked along a new first axis."""
    if type_proto is None:
        return None
    stacked = tensor_type(type_proto.tensor_type.elem_type)
    if type_proto.tensor_type.HasField("shape"):
        stacked.tensor_type.shape.dim.add()
        stacked.tensor_type.shape.dim.extend(type_proto.tensor_type.shape.dim)
    return stacked


def unsized_type(type_proto: TypeProto) -> TypeProto:
    """Remove sizes from a tensor type: they are 0 in a branch not taken. Other types stay as they are."""
    if kind_of(type_proto) != "tensor_type":
        return type_proto
    # A scalar cannot be empty: then the rank differs between the branches.
    return tensor_type(type_proto.tensor_type.elem_type, rank_of(type_proto) or None)


def symbol_of(dim: TensorShapeProto.Dimension) -> str:
    """Read the symbol of a size, which protobuf gives as bytes if a damaged file holds no text there."""
    symbol: str | bytes = dim.dim_param
    return symbol.decode("utf-8", errors="replace") if isinstance(symbol, bytes) else symbol


def declarable_type(type_proto: TypeProto) -> TypeProto:
    """Copy a type without meaningless sizes: symbols invented by inference, and −1 as some exporters write it."""
    copy = _copied(type_proto)
    if kind_of(copy) == "tensor_type":
        for dim in copy.tensor_type.shape.dim:
            if symbol_of(dim).startswith("unk__") or dim.dim_value < 0:
                dim.Clear()
    return copy


def _copied(type_proto: TypeProto) -> TypeProto:
    copy = TypeProto()
    copy.CopyFrom(type_proto)
    return copy
