"""How a tensor gets out of the graph that it is in, or why it can't.

From a branch a tensor gets out as one more result of the `If`; the other branch gives an empty one. From
a body it gets out stacked, one slice an iteration, where its shape is known not to change; else, where the
model's operators allow it, in a sequence with one tensor an iteration. All this is decided here, before
anything is rewritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import TensorProto, TypeProto

from onnx_ood.graph.catalogue.tensors import dtype_name

# Element types that no array of numpy holds: what carries them without loss.
_CARRIERS = {
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
# By number; not every release of onnx knows all of them.
CAST_TO: dict[int, int] = {
    number: _CARRIERS[name] for name, number in TensorProto.DataType.items() if name in _CARRIERS
}

STACK, COLLECT, BRANCH = "stack", "collect", "branch"


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """The way out, decided.

    Attributes:
        modes: One for each graph around the tensor, innermost first: `BRANCH` out of an If, `STACK` or `COLLECT` out of
            a Loop or Scan. Once a tensor is collected, it stays in a sequence.
        type: The type that arrives in the main graph, None where it isn't known.
    """

    modes: tuple[str, ...]
    type: TypeProto | None


def carried(kind: TypeProto | None) -> TypeProto | None:
    """The type of the cast copy of a tensor that numpy can't hold, None if no cast is needed."""
    if kind is None or kind.WhichOneof("value") != "tensor_type":
        return None
    carrier = CAST_TO.get(kind.tensor_type.elem_type)
    if carrier is None:
        return None
    copy = TypeProto()
    copy.CopyFrom(kind)
    copy.tensor_type.elem_type = carrier
    return copy


def why_not_returned(kind: TypeProto | None) -> str | None:
    """Why a value of a type can't be an output, None if it can."""
    value = kind.WhichOneof("value") if kind is not None else None
    if kind is None or value in {None, "tensor_type", "map_type"}:
        return None
    if value == "sparse_tensor_type":
        return "is a sparse tensor, which onnxruntime doesn't compute with"
    inner = kind.sequence_type.elem_type if value == "sequence_type" else kind.optional_type.elem_type
    element = inner.sequence_type.elem_type if inner.WhichOneof("value") == "sequence_type" else inner
    if element.WhichOneof("value") == "tensor_type" and element.tensor_type.elem_type in CAST_TO:
        what = "a sequence" if value == "sequence_type" else "an optional"
        dtype = dtype_name(element.tensor_type.elem_type)
        return f"is {what} of {dtype} tensors, which numpy can't hold and nothing casts at once"
    return None


def plan_output(ops: Sequence[str], kind: TypeProto | None, opset: int) -> OutputPlan | str:
    """Decides how a tensor gets out of the control flow around it.

    Args:
        ops: The operators around it, `If`, `Loop` or `Scan`, innermost first.
        kind: Its type there, as it is carried, None where it isn't known.
        opset: Version of the standard operators in the model.

    Returns:
        The way, or the reason why there is none.
    """
    reason = why_not_returned(kind)
    if reason:
        return reason
    value = kind.WhichOneof("value") if kind is not None else None
    modes: list[str] = []
    collected = False
    # An If around it has been passed: in its other branch the tensor is empty.
    may_be_empty = False
    for i, op in enumerate(ops):
        further = ops[i + 1 :]
        if op == "If":
            problem = _why_not_from_if(kind, opset)
            if problem:
                return problem
            if collected and "Loop" in further and opset < 14:
                return (
                    "is in a Loop in an If in a Loop; to hand it out takes operators of version 14 or newer"
                )
            modes.append(BRANCH)
            if kind is not None and value == "tensor_type":
                kind, may_be_empty = any_size(kind), True
            continue
        if collected:
            modes.append(COLLECT)
            continue
        if value not in {None, "tensor_type"}:
            return f"is {_word(value)} inside a {op}, which hands out only tensors"
        if op == "Scan":
            if opset < 9:
                return "is in a Scan of operators older than version 9"
            if may_be_empty or (STACK in modes and "Loop" in ops[:i]):
                return "is in control flow inside a Scan; its shape may differ from step to step"
            modes.append(STACK)
            kind = stacked(kind)
        elif not may_be_empty and _same_every_time(kind, symbols=opset < 13):
            modes.append(STACK)
            kind = stacked(kind)
        elif "Scan" in further:
            return "is in a Loop inside a Scan; its shape may differ from step to step"
        elif opset < 13:
            return (
                "may change its shape from one iteration of a Loop to the next; to hand it out takes operators of "
                f"version 13 or newer, the model has {opset}"
            )
        elif kind is None or value is None:
            return "has a type that onnx can't infer, inside a Loop"
        else:
            modes.append(COLLECT)
            collected, kind = True, sequence_of(kind.tensor_type.elem_type)
            value = "sequence_type"
    return OutputPlan(tuple(modes), kind)


def sequence_of(elem_type: int) -> TypeProto:
    """The type of a sequence of tensors of any shape."""
    kind = TypeProto()
    kind.sequence_type.elem_type.tensor_type.elem_type = elem_type
    return kind


def _why_not_from_if(kind: TypeProto | None, opset: int) -> str | None:
    value = kind.WhichOneof("value") if kind is not None else None
    if value is None:
        return "has a type that onnx can't infer, inside an If, whose other branch needs one of the same type"
    needed = {"tensor_type": 1, "sequence_type": 13, "optional_type": 16}.get(value)
    if needed is None:
        return f"is {_word(value)} inside an If, which doesn't hand them out"
    if opset < needed:
        return (
            f"is {_word(value)} inside an If, which hands them out from version {needed} of the operators; "
            f"the model has {opset}"
        )
    return None


def _word(value: str) -> str:
    kind = value.removesuffix("_type").replace("_", " ")
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _same_every_time(kind: TypeProto | None, symbols: bool) -> bool:
    """True if all sizes are known; a size that the file only names counts if `symbols`."""
    if kind is None or not kind.tensor_type.HasField("shape"):
        return False
    return all(
        (dim.HasField("dim_value") and dim.dim_value >= 0)
        or (symbols and dim.dim_param and not dim.dim_param.startswith("unk__"))
        for dim in kind.tensor_type.shape.dim
    )


def stacked(kind: TypeProto | None) -> TypeProto | None:
    """The type of one tensor an iteration, stacked along a new first dimension."""
    if kind is None:
        return None
    copy = TypeProto()
    copy.tensor_type.elem_type = kind.tensor_type.elem_type
    if kind.tensor_type.HasField("shape"):
        copy.tensor_type.shape.dim.add()
        copy.tensor_type.shape.dim.extend(kind.tensor_type.shape.dim)
    return copy


def any_size(kind: TypeProto) -> TypeProto:
    """The same type with no size known, for in a branch that isn't taken they are 0; not a tensor, it stays itself."""
    if kind.WhichOneof("value") != "tensor_type":
        return kind
    copy = TypeProto()
    copy.tensor_type.elem_type = kind.tensor_type.elem_type
    # A scalar can't be empty: then not even the rank is the same in both branches.
    if kind.tensor_type.HasField("shape") and kind.tensor_type.shape.dim:
        for _ in kind.tensor_type.shape.dim:
            copy.tensor_type.shape.dim.add()
    return copy
