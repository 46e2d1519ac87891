"""Whether and how each tensor of a model gets out, found out once for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import TypeProto

from onnx_ood.graph.catalogue.nested import NestedTensor, NestedTensors
from onnx_ood.graph.catalogue.output_plan import OutputPlan, carried, plan_output


class OutputPlans:
    """The ways out of a model."""

    def __init__(self, nested: NestedTensors, opset: int) -> None:
        """Takes what is known of the model.

        Args:
            nested: Its tensors inside control flow and functions, and the types of the others.
            opset: Version of the standard operators in the model.
        """
        self._types: Mapping[str, TypeProto] = nested.types
        self._inner = {tensor.path: tensor for tensor in nested.tensors}
        self._opset = opset
        self._found: dict[str, OutputPlan | str] = {}

    def refusal(self, name: str) -> str | None:
        """Why a tensor can't be watched, None if it can.

        Args:
            name: Its name, or its scoped path.
        """
        way = self._way(name)
        return way if isinstance(way, str) else None

    def inner(self, names: Iterable[str]) -> dict[str, tuple[NestedTensor, OutputPlan]]:
        """Of some names those that are inside control flow or functions, in execution order, each with its way out.

        Args:
            names: Names and scoped paths that can be watched.
        """
        asked = set(names)
        found = {}
        for path, tensor in self._inner.items():
            if path in asked:
                way = self._way(path)
                assert isinstance(way, OutputPlan)
                found[path] = tensor, way
        return found

    def _way(self, name: str) -> OutputPlan | str:
        if name not in self._found:
            tensor = self._inner.get(name)
            kind = tensor.type if tensor else self._types.get(name)
            around = tensor.around if tensor else ()
            refusal = tensor.refusal if tensor else None
            self._found[name] = refusal or plan_output(around, carried(kind) or kind, self._opset)
        return self._found[name]
