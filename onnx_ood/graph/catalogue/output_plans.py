"""Plans of how tensors leave the graphs that they are in, or the reasons why they cannot.

A tensor leaves a branch as a further result of the `If`; the other branch returns an empty one. It leaves a body
stacked, one slice per iteration, if its shape is known not to change; otherwise, if the model's operators allow it, in
a sequence with one tensor per iteration. All plans are made before anything is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from onnx import TypeProto

from onnx_ood.graph.catalogue.nested import NestedTensor, NestedTensors
from onnx_ood.graph.catalogue.tensors import dtype_name
from onnx_ood.graph.catalogue.type_protos import (
    CAST_TO,
    cast_type,
    kind_of,
    sequence_type,
    stacked_type,
    symbol_of,
    unsized_type,
)


class Exit(Enum):
    """Step by which a tensor leaves one graph."""

    BRANCH = "branch"
    """As a further result of an If."""
    STACK = "stack"
    """Stacked, one slice per iteration of a Loop or Scan."""
    COLLECT = "collect"
    """In a sequence, one tensor per iteration of a Loop."""


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """Plan by which a tensor leaves the control flow around it.

    Attributes:
        exits: One for each graph around the tensor, innermost first. Once collected, a tensor stays in a sequence.
        type: Type of the output in the main graph, None if unknown.
    """

    exits: tuple[Exit, ...]
    type: TypeProto | None


class OutputPlans:
    """The output plans of one model, each made once."""

    def __init__(self, nested: NestedTensors, opset: int) -> None:
        """Take the tensors of a model.

        Args:
            nested: Its tensors inside control flow and functions, and the types of the others.
            opset: Version of the standard operators.
        """
        self._types: Mapping[str, TypeProto] = nested.types
        self._nested = {tensor.path: tensor for tensor in nested.tensors}
        self._opset = opset
        self._found: dict[str, OutputPlan | str] = {}

    def refusal(self, name: str) -> str | None:
        """Explain why a tensor cannot be watched; None if it can.

        Args:
            name: Its name, or its scoped path.
        """
        plan = self._plan(name)
        return plan if isinstance(plan, str) else None

    def nested(self, names: Iterable[str]) -> dict[str, tuple[NestedTensor, OutputPlan]]:
        """Look up the plans of tensors inside control flow or functions.

        Args:
            names: Names and scoped paths that can be watched. Names of the main graph are ignored.

        Returns:
            Tensor and plan by scoped path, in execution order.
        """
        requested = set(names)
        found = {}
        for path, tensor in self._nested.items():
            if path in requested:
                plan = self._plan(path)
                assert isinstance(plan, OutputPlan)
                found[path] = tensor, plan
        return found

    def _plan(self, name: str) -> OutputPlan | str:
        if name not in self._found:
            tensor = self._nested.get(name)
            inferred = tensor.type if tensor else self._types.get(name)
            around = tensor.around if tensor else ()
            refusal = tensor.refusal if tensor else None
            self._found[name] = refusal or plan_output(around, cast_type(inferred) or inferred, self._opset)
        return self._found[name]


def plan_output(ops: Sequence[str], type_proto: TypeProto | None, opset: int) -> OutputPlan | str:
    """Plan how a tensor leaves the control flow around it.

    Args:
        ops: The operators around it, `If`, `Loop` or `Scan`, innermost first.
        type_proto: Its type there, cast if need be; None if unknown.
        opset: Version of the standard operators in the model.

    Returns:
        The plan, or the reason why there is none.
    """
    reason = _why_no_output(type_proto)
    if reason:
        return reason
    kind = kind_of(type_proto)
    exits: list[Exit] = []
    collected = False
    # True once the tensor has left an If, in whose other branch it is empty.
    may_be_empty = False
    for i, op in enumerate(ops):
        outer_ops = ops[i + 1 :]
        if op == "If":
            problem = _why_not_from_if(type_proto, opset)
            if problem:
                return problem
            if collected and "Loop" in outer_ops and opset < 14:
                return (
                    "is in a Loop in an If in a Loop; watching it requires operators of version 14 or newer, "
                    f"the model has {opset}"
                )
            exits.append(Exit.BRANCH)
            if type_proto is not None and kind == "tensor_type":
                type_proto, may_be_empty = unsized_type(type_proto), True
            continue
        if collected:
            exits.append(Exit.COLLECT)
            continue
        if kind not in {None, "tensor_type"}:
            return f"is {_with_article(kind)} inside a {op}, which returns only tensors"
        if op == "Scan":
            if opset < 9:
                return "is in a Scan of operators older than version 9"
            if may_be_empty or (Exit.STACK in exits and "Loop" in ops[:i]):
                return "is in control flow inside a Scan; its shape may differ from step to step"
            exits.append(Exit.STACK)
            type_proto = stacked_type(type_proto)
        elif not may_be_empty and _is_constant_shape(type_proto, symbols=opset < 13):
            exits.append(Exit.STACK)
            type_proto = stacked_type(type_proto)
        elif "Scan" in outer_ops:
            return "is in a Loop inside a Scan; its shape may differ from step to step"
        elif opset < 13:
            return (
                "may change its shape between iterations of a Loop; watching it requires operators of version 13 or "
                f"newer, the model has {opset}"
            )
        elif type_proto is None or kind is None:
            return "has a type that onnx cannot infer, inside a Loop"
        else:
            exits.append(Exit.COLLECT)
            collected, type_proto = True, sequence_type(type_proto.tensor_type.elem_type)
            kind = "sequence_type"
    return OutputPlan(tuple(exits), type_proto)


def _why_no_output(type_proto: TypeProto | None) -> str | None:
    """Explain why a value of a type cannot be a model output; None if it can."""
    kind = kind_of(type_proto)
    if type_proto is None or kind in {None, "tensor_type", "map_type"}:
        return None
    if kind == "sparse_tensor_type":
        return "is a sparse tensor, which onnxruntime does not support"
    inner = (
        type_proto.sequence_type.elem_type if kind == "sequence_type" else type_proto.optional_type.elem_type
    )
    element = inner.sequence_type.elem_type if kind_of(inner) == "sequence_type" else inner
    if kind_of(element) == "tensor_type" and element.tensor_type.elem_type in CAST_TO:
        container = "a sequence" if kind == "sequence_type" else "an optional"
        dtype = dtype_name(element.tensor_type.elem_type)
        return f"is {container} of {dtype} tensors, which numpy cannot hold and no operator casts"
    return None


def _why_not_from_if(type_proto: TypeProto | None, opset: int) -> str | None:
    kind = kind_of(type_proto)
    if kind is None:
        return "has a type that onnx cannot infer, inside an If, whose other branch needs a value of the same type"
    needed = {"tensor_type": 1, "sequence_type": 13, "optional_type": 16}.get(kind)
    if needed is None:
        return f"is {_with_article(kind)} inside an If, which cannot return one"
    if opset < needed:
        return (
            f"is {_with_article(kind)} inside an If, which can return one from version {needed} of the operators; "
            f"the model has {opset}"
        )
    return None


def _with_article(kind: str | None) -> str:
    noun = (kind or "").removesuffix("_type").replace("_", " ")
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def _is_constant_shape(type_proto: TypeProto | None, symbols: bool) -> bool:
    """Return whether all sizes are known; a symbol of the file counts as known if `symbols`."""
    if type_proto is None or not type_proto.tensor_type.HasField("shape"):
        return False
    return all(
        (dim.HasField("dim_value") and dim.dim_value >= 0)
        or (symbols and dim.dim_param and not symbol_of(dim).startswith("unk__"))
        for dim in type_proto.tensor_type.shape.dim
    )
