"""Values that a file holds: initializers, constants, and what a few nodes make of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_tensor
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.catalogue.external import relocated
from onnx_ood.graph.catalogue.model import Model

# Operators that exporters put between a weight and the node that reads it.
_SIMPLE = frozenset(
    {"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Constant"}
)


class StoredValues:
    """Reads values of the main graph that don't depend on its inputs, one at a time."""

    def __init__(self, model: Model) -> None:
        """Takes a model; nothing is read yet."""
        self._model = model
        graph = model.proto.graph
        self._stored: Mapping[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self._producer: Mapping[str, NodeProto] = {
            name: node for node in graph.node for name in node.output if name
        }

    def value(self, name: str) -> NDArray[Any] | None:
        """What a tensor holds.

        Args:
            name: A tensor of the main graph.

        Returns:
            Its values, external data read from disk; None if they are computed in another way than by casting,
            dequantising, or giving another shape to what is stored.
        """
        if name in self._stored:
            return self._read(self._stored[name])
        node = self._producer.get(name)
        if node is None or node.op_type not in _SIMPLE or node.domain not in {"", "ai.onnx"}:
            return None
        values = {given: self.value(given) for given in node.input if given}
        if any(value is None for value in values.values()):
            return None
        opsets = [helper.make_opsetid("", self._model.opsets.get("ai.onnx", 1))]
        graph = helper.make_graph(
            [node],
            "stored",
            [helper.make_value_info(given, helper.make_tensor_type_proto(0, None)) for given in values],
            [helper.make_value_info(name, helper.make_tensor_type_proto(0, None))],
        )
        found: Any = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets)).run([name], values)
        return np.asarray(found[0])

    def _read(self, tensor: TensorProto) -> NDArray[Any]:
        if tensor.data_location != TensorProto.EXTERNAL:
            return numpy_helper.to_array(tensor)
        proto, folder = relocated(self._model.proto, self._model.path)
        found = next(one for one in proto.graph.initializer if one.name == tensor.name)
        copy = TensorProto()
        copy.CopyFrom(found)
        load_external_data_for_tensor(copy, str(folder))
        return numpy_helper.to_array(copy)
