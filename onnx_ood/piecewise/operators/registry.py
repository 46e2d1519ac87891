"""The registry of operators, and the values and shapes known when a node is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from onnx import NodeProto

from onnx_ood._types import Array
from onnx_ood.graph import attribute_values, evaluate_node, is_standard
from onnx_ood.piecewise.steps import Step


class UnsupportedError(Exception):
    """A node is not piecewise linear in the model's input, or not supported; the message gives the reason."""


@dataclass
class Context:
    """Known values and shapes.

    Attributes:
        constants: Values that do not depend on the input, by name.
        samples: Shapes, for a batch of one, of values that do.
        opsets: Version of each operator set.
    """

    constants: dict[str, Array]
    samples: dict[str, tuple[int, ...]]
    opsets: Mapping[str, int]

    def constant(self, node: NodeProto, position: int) -> Array | None:
        """Read a constant input of a node; None if it is omitted.

        Raises:
            UnsupportedError: If it depends on the model's input.
        """
        if position >= len(node.input) or not node.input[position]:
            return None
        if node.input[position] not in self.constants:
            raise UnsupportedError(f"its input {node.input[position]!r} depends on the model's input")
        return self.constants[node.input[position]]

    def number(self, node: NodeProto, position: int) -> Array | None:
        """Read a constant input in float64; None if it is omitted."""
        value = self.constant(node, position)
        return None if value is None else value.astype(np.float64)

    def required(self, node: NodeProto, position: int) -> Array:
        """Read a required constant input in float64.

        Raises:
            UnsupportedError: If it is omitted or depends on the model's input.
        """
        value = self.number(node, position)
        if value is None:
            raise UnsupportedError(f"its input {position} is missing")
        return value

    def axes(self, node: NodeProto) -> list[int] | None:
        """Axes of a reduction, from its attribute or its second input; None if omitted."""
        axes = attribute_values(node).get("axes")
        if axes is None and len(node.input) > 1:
            stored = self.constant(node, 1)
            axes = None if stored is None else stored.tolist()
        return axes

    def evaluate(self, node: NodeProto, values: Mapping[str, Array]) -> list[Array]:
        """Results of a node for values of its inputs, by onnx's reference."""
        return evaluate_node(node, values, list(self.opsets.items()))

    def varying(self, node: NodeProto) -> tuple[str, ...]:
        """List inputs of a node that depend on the model's input, in order."""
        return tuple(name for name in node.input if name in self.samples)

    def shapes(self, node: NodeProto) -> list[tuple[int, ...]]:
        """Shapes of all inputs of a node, for a batch of one."""
        return [
            self.samples[name] if name in self.samples else np.shape(self.constants[name])
            for name in node.input
        ]


Reader: TypeAlias = Callable[[Context, NodeProto], list[Step]]

_READERS: dict[str, Reader] = {}
_WITH_UNITS: set[str] = set()


def operator(*op_types: str, units: bool = False) -> Callable[[Reader], Reader]:
    """Register a function that reads nodes of some operators of the standard domain.

    Args:
        op_types: Operator types.
        units: True if the operators have units with boundaries.
    """

    def register(reader: Reader) -> Reader:
        _READERS.update(dict.fromkeys(op_types, reader))
        if units:
            _WITH_UNITS.update(op_types)
        return reader

    return register


def has_units(op_type: str) -> bool:
    """Return whether an operator has units with boundaries."""
    return op_type in _WITH_UNITS


def steps_of(context: Context, node: NodeProto) -> list[Step]:
    """Read a node as steps.

    Args:
        context: Known values and shapes of its inputs.
        node: A node with an input that depends on the model's input.

    Returns:
        One step per named output.

    Raises:
        UnsupportedError: If the node is not piecewise linear, or not supported.
    """
    if not is_standard(node.domain) or node.op_type not in _READERS:
        raise UnsupportedError("exact boundaries are not supported for this operator")
    return _READERS[node.op_type](context, node)


def expand_constant(sample: Array, rank: int) -> Array:
    """Reshape a constant to broadcast with points of samples of some rank: [1, *ones, *sample]."""
    return sample.reshape(1, *[1] * (rank - sample.ndim), *sample.shape)


def expand_points(points: Array, rank: int) -> Array:
    """Add leading axes to samples with fewer axes than `rank`."""
    missing = rank - (points.ndim - 1)
    return points.reshape(len(points), *[1] * missing, *points.shape[1:]) if missing > 0 else points
