"""Values stored in a model file: initializers, constants, and simple results of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from onnx import NodeProto, TensorProto

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.external import with_values
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.node_evaluation import evaluate_node
from onnx_ood.graph.catalogue.nodes import CONTRIB_DOMAIN, is_standard, producers
from onnx_ood.graph.catalogue.tensors import stored_array

# Operators that exporters put between a weight and its reader.
_SHAPING_OPS = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# Dequantization in single steps.
_ARITHMETIC_OPS = frozenset({"Div", "Mul", "Sub"})

# Exporters put a few of them between a weight and its reader.
_MAX_NODES = 50


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

        Raises:
            ModelError: If the stored values do not fit their type and shape.
        """
        return self._value(name, iter(range(_MAX_NODES)))

    def _value(self, name: str, left: Iterator[int]) -> Array | None:
        if name in self._stored:
            return self._read(self._stored[name])
        node = self._producer.get(name)
        if node is None or not _is_simple(node) or next(left, None) is None:
            return None
        values: dict[str, Array] = {}
        for given in dict.fromkeys(filter(None, node.input)):
            value = self._value(given, left)
            if value is None:
                return None
            values[given] = value
        if node.op_type == "Constant":
            tensor = next((entry.t for entry in node.attribute if entry.name == "value"), None)
            if tensor is not None:
                return self._read(tensor)
        try:
            if node.op_type in _ARITHMETIC_OPS and _grows(values):
                return None
            return evaluate_node(node, values, [("", self._model.standard_opset)])[0]
        except Exception:
            return None  # A damaged node: onnxruntime gives the reason when it loads the model.

    def _read(self, tensor: TensorProto) -> Array:
        values = with_values(tensor, self._model.path)
        try:
            return stored_array(values)
        except ModelError as error:
            raise ModelError(f"{self._model.path}: {error}") from None


def _is_simple(node: NodeProto) -> bool:
    if node.op_type == "DequantizeLinear":
        return is_standard(node.domain) or node.domain == CONTRIB_DOMAIN
    return is_standard(node.domain) and (
        node.op_type in _SHAPING_OPS or node.op_type in _ARITHMETIC_OPS or node.op_type == "Constant"
    )


def _grows(values: Mapping[str, Array]) -> bool:
    """Return whether a result is larger than its inputs, as no dequantized weight is."""
    shape = np.broadcast_shapes(*(value.shape for value in values.values()))
    return math.prod(shape) > max(value.size for value in values.values())
