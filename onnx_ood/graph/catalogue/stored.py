"""Values stored in a model file: initializers, constants, and simple results of them."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto, TensorProto

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.external import with_values
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.node_evaluation import evaluate_node
from onnx_ood.graph.catalogue.nodes import is_standard, producers
from onnx_ood.graph.catalogue.tensors import stored_array

# Operators that exporters put between a weight and its reader.
_SIMPLE_OPS = frozenset(
    {"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Constant"}
)

# Exporters put one or two of them between a weight and its reader.
_MAX_DEPTH = 50


class StoredValues:
    """Values of the main graph that do not depend on its inputs, read one at a time."""

    def __init__(self, model: Model) -> None:
        """Take a model; nothing is read yet."""
        self._model = model
        graph = model.proto.graph
        self._stored: Mapping[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self._producer: Mapping[str, NodeProto] = producers(graph.node)

    def value(self, name: str, depth: int = 0) -> Array | None:
        """Read the values of a tensor.

        Args:
            name: A tensor of the main graph.
            depth: Number of operators after it.

        Returns:
            Its values, external data read from disk; None unless they are stored, or stored values after casts,
            dequantization or changes of shape.

        Raises:
            ModelError: If the stored values do not fit their type and shape.
        """
        if name in self._stored:
            return self._read(self._stored[name])
        node = self._producer.get(name)
        if node is None or node.op_type not in _SIMPLE_OPS or not is_standard(node.domain):
            return None
        if depth > _MAX_DEPTH:
            return None
        values: dict[str, Array] = {}
        for given in filter(None, node.input):
            value = self.value(given, depth + 1)
            if value is None:
                return None
            values[given] = value
        if node.op_type == "Constant":
            tensor = next((entry.t for entry in node.attribute if entry.name == "value"), None)
            if tensor is not None:
                return self._read(tensor)
        try:
            return evaluate_node(node, values, [("", self._model.standard_opset)])[0]
        except Exception:
            return None  # A damaged node: onnxruntime gives the reason when it loads the model.

    def _read(self, tensor: TensorProto) -> Array:
        values = with_values(tensor, self._model.path)
        try:
            return stored_array(values)
        except ModelError as error:
            raise ModelError(f"{self._model.path}: {error}") from None
