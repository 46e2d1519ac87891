"""Values stored in a model file: initializers, constants, and simple results of them."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto, TensorProto
from onnx.external_data_helper import load_external_data_for_tensor

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.external import relocated
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.node_evaluation import evaluate_node
from onnx_ood.graph.catalogue.nodes import is_standard, producers
from onnx_ood.graph.catalogue.tensors import stored_array

# Operators that exporters put between a weight and its reader.
_SIMPLE_OPS = frozenset(
    {"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Constant"}
)


class StoredValues:
    """Values of the main graph that do not depend on its inputs, read one at a time."""

    def __init__(self, model: Model) -> None:
        """Take a model; nothing is read yet."""
        self._model = model
        graph = model.proto.graph
        self._stored: Mapping[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self._producer: Mapping[str, NodeProto] = producers(graph.node)

    def value(self, name: str) -> Array | None:
        """Read the values of a tensor.

        Args:
            name: A tensor of the main graph.

        Returns:
            Its values, external data read from disk; None unless they are stored, or stored values after casts,
            dequantization or changes of shape.
        """
        if name in self._stored:
            return self._read(self._stored[name])
        node = self._producer.get(name)
        if node is None or node.op_type not in _SIMPLE_OPS or not is_standard(node.domain):
            return None
        values: dict[str, Array] = {}
        for given in filter(None, node.input):
            value = self.value(given)
            if value is None:
                return None
            values[given] = value
        return evaluate_node(node, values, [("", self._model.opsets.get("ai.onnx", 1))])[0]

    def _read(self, tensor: TensorProto) -> Array:
        if tensor.data_location != TensorProto.EXTERNAL:
            return stored_array(tensor)
        proto, folder = relocated(self._model.proto, self._model.path)
        found = next(one for one in proto.graph.initializer if one.name == tensor.name)
        copy = TensorProto()
        copy.CopyFrom(found)
        load_external_data_for_tensor(copy, str(folder))
        return stored_array(copy)
