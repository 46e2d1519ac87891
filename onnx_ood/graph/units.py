"""Units of a model, and how their activation patterns are read.

The state of a unit is the number of thresholds of its activation function below its pre-activation, or the index of the
largest element in its window; the states of all units form the activation pattern. Watching a pre-activation prevents
its fusion with the activation function, so the activation is read instead if it determines the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from onnx import NodeProto, TensorProto

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.activations import Activation, activations
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nodes import attribute_values, producers
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.catalogue.tensors import Tensor, stored_array
from onnx_ood.graph.select import why_not_measurable

Exactness: TypeAlias = Literal["linear", "pattern", "sign"]

# Smooth functions with the sign of their argument.
_SIGN_KEEPING = frozenset(
    {"Celu", "Elu", "FastGelu", "Gelu", "Mish", "QuickGelu", "Selu", "Softsign", "Swish", "Tanh"}
)
# Smooth functions without it.
_SIGN_LOSING = frozenset({"Sigmoid", "Softplus"})
# Attributes that must be positive (as by default) for the sign to be kept.
_SLOPE_ATTRIBUTES = {"Celu": "alpha", "Elu": "alpha"}
# Operators with units that are not elementwise activation functions.
_OTHER_UNIT_OPS = frozenset(
    {"Abs", "GRU", "GlobalMaxPool", "LSTM", "Max", "MaxPool", "Min", "RNN", "ReduceMax", "ReduceMin"}
)
# Limit on the size of constants that are read.
_MAX_CONSTANT_ELEMENTS = 1 << 16
# First version of the operators with the indices of MaxPool.
_MIN_OPSET_POOL_INDICES = 8


@dataclass(frozen=True, slots=True)
class PatternSite:
    """The units of one activation function, and how their states are read.

    Attributes:
        name: The tensor with the activations.
        op: The operator as written, such as `"Relu"`, or `"Gelu (decomposed)"`.
        source: The pre-activation; for MaxPool its input. Empty if it is inside the operator (which adds a bias), or
            outside the function or branch of the units.
        exact: `"linear"` if units are affine between thresholds, so that the activation pattern identifies the linear
            region; `"pattern"` if the formula changes at thresholds, but not all formulas are affine; `"sign"` if the
            function is smooth and the sign of its pre-activation is used as the state.
        thresholds: Thresholds on the pre-activation, ascending. Empty for MaxPool, where the state is the index of the
            largest element.
        read: The tensor that is read.
        above: Bounds on that tensor, in the order of `thresholds`: the state is the number of bounds below the value.
            It equals the state from the pre-activation, unless that lies within one rounding of the upper bound of a
            Clip or HardSigmoid.
    """

    name: str
    op: str
    source: str
    exact: Exactness
    thresholds: tuple[float, ...]
    read: str
    above: tuple[float, ...]

    @property
    def argmax(self) -> bool:
        """True if the state is the index of the largest element in a window."""
        return not self.thresholds


@dataclass(frozen=True)
class Units:
    """The units of a model.

    Attributes:
        sites: Units with readable states, in execution order.
        unread: Reasons why the states of other units cannot be read, by the name of their tensor.
    """

    sites: tuple[PatternSite, ...]
    unread: Mapping[str, str]


class _UnreadError(Exception):
    """States cannot be read; the message gives the reason."""


def find_units(model: Model) -> Units:
    """Find the units of a model, inside functions and control flow too.

    Args:
        model: The model.

    Returns:
        How their states are read, or why they cannot be.

    Examples:
        >>> from onnx_ood import load, models
        >>> units = find_units(load(models.path("fashion_cnn")))
        >>> [(site.op, site.exact, site.thresholds) for site in units.sites][:2]
        [('Relu', 'linear', (0.0,)), ('Relu', 'linear', (0.0,))]
    """
    names = {name: name for name in model.by_name}
    scopes = [_Scope(model, execution_order(model.proto.graph.node), names, nested=False)]
    paths: dict[str, dict[str, str]] = {}
    nodes: dict[str, dict[int, NodeProto]] = {}
    for nested in model.nested.tensors:
        paths.setdefault(nested.scope, {})[nested.local] = nested.path
        if not nested.argument:
            nodes.setdefault(nested.scope, {})[id(nested.node)] = nested.node
    scopes += [
        _Scope(model, list(found.values()), paths[scope], nested=True) for scope, found in nodes.items()
    ]
    sites: dict[str, PatternSite] = {}
    unread: dict[str, str] = {}
    for scope in scopes:
        scope.find(sites, unread)
    order = {tensor.name: i for i, tensor in enumerate(model.all_tensors)}
    return Units(
        tuple(sorted(sites.values(), key=lambda site: order[site.name])),
        {name: unread[name] for name in sorted(unread, key=order.__getitem__)},
    )


class _Scope:
    """One graph of a model: the main graph, a branch or body, or that of a function at one of its calls."""

    def __init__(
        self, model: Model, nodes: Sequence[NodeProto], paths: Mapping[str, str], *, nested: bool
    ) -> None:
        """Take a graph.

        Args:
            model: The model.
            nodes: The graph's nodes in execution order.
            paths: Scoped paths of its tensors, by local name.
            nested: False for the main graph.
        """
        self._model, self._nodes, self._paths, self._nested = model, nodes, paths, nested
        self._producer = producers(nodes)
        self._stored = {} if nested else {tensor.name: tensor for tensor in model.proto.graph.initializer}
        self._tensors = {tensor.name: tensor for tensor in model.all_tensors}

    def find(self, sites: dict[str, PatternSite], unread: dict[str, str]) -> None:
        """Add the units of this graph."""
        found = activations(self._nodes)
        for node in self._nodes:
            if node.op_type in _OTHER_UNIT_OPS and node.input and node.output and node.output[0]:
                found[node.output[0]] = Activation(node.output[0], node.op_type, node.input[0], node, False)
        for output, activation in found.items():
            tensor = self._tensors.get(self._paths.get(output, ""))
            if tensor is None or tensor.constant or not (tensor.floating or tensor.dtype is None):
                continue
            try:
                site = self._site(activation, tensor)
                self._check(site)
            except _UnreadError as reason:
                unread[tensor.name] = str(reason)
            else:
                sites[tensor.name] = site

    def _site(self, activation: Activation, tensor: Tensor) -> PatternSite:
        function = activation.function
        if any(attribute.ref_attr_name for attribute in activation.node.attribute):
            raise _UnreadError("has an attribute that is set where its function is called")
        op = f"{function} (decomposed)" if activation.decomposed else function
        units = PatternSite(
            tensor.name, op, self._paths.get(activation.source, ""), "linear", (0.0,), tensor.name, (0.0,)
        )
        attributes = attribute_values(activation.node)
        if function in _SIGN_LOSING:
            return self._by_source(replace(units, exact="sign"))
        if function in _SIGN_KEEPING:
            biased = len([name for name in activation.node.input if name]) > 1
            units = replace(units, exact="sign", source="" if biased else units.source)
            kept = function not in _SLOPE_ATTRIBUTES or attributes.get(_SLOPE_ATTRIBUTES[function], 1.0) > 0
            return units if kept else self._by_source(units)
        if function == "BiasGelu":
            return replace(units, exact="sign", source="")
        if function == "Relu":
            return units
        if function == "LeakyRelu":
            return units if attributes.get("alpha", 0.01) >= 0 else self._by_source(units)
        if function == "PRelu":
            slope = self._constant(activation.node.input[-1])
            return units if slope is not None and (slope >= 0).all() else self._by_source(units)
        if function == "ThresholdedRelu":
            threshold = float(attributes.get("alpha", 1.0))
            units = replace(units, thresholds=(threshold,))
            return units if threshold >= 0 else self._by_source(units)
        if function == "Abs":
            return self._by_source(units)
        if function == "Clip":
            return self._clip(units, activation.node, attributes, tensor)
        if function in {"HardSigmoid", "HardSwish"}:
            return self._hard(units, activation, attributes, tensor)
        if function in {"Max", "Min"}:
            return self._extreme(units, activation.node, tensor)
        if function == "MaxPool":
            return self._pool(units)
        raise _UnreadError(_WHY.get(function, "is not a known unit"))

    def _clip(
        self, units: PatternSite, node: NodeProto, attributes: Mapping[str, Any], tensor: Tensor
    ) -> PatternSite:
        bounds = {"min": attributes.get("min", -np.inf), "max": attributes.get("max", np.inf)}
        for position, name in enumerate(bounds, start=1):
            if len(node.input) > position and node.input[position]:
                stored = self._constant(node.input[position])
                if stored is None or stored.size != 1:
                    raise _UnreadError(f"has a bound, {node.input[position]!r}, not stored in the file")
                bounds[name] = float(stored.reshape(()))
        low, high = (float(bound) for bound in bounds.values())
        return self._between(units, low, high, low, high, tensor)

    def _hard(
        self, units: PatternSite, activation: Activation, attributes: Mapping[str, Any], tensor: Tensor
    ) -> PatternSite:
        if activation.node.op_type == "HardSwish":
            alpha, beta = 1 / 6, 0.5
        else:
            alpha, beta = float(attributes.get("alpha", 0.2)), float(attributes.get("beta", 0.5))
        if alpha <= 0:
            raise _UnreadError("has a slope that is not positive")
        low, high = -beta / alpha, (1 - beta) / alpha
        if activation.function == "HardSwish":
            return self._by_source(replace(units, exact="pattern", thresholds=(low, high)))
        return self._between(units, low, high, 0.0, 1.0, tensor)

    def _between(
        self, units: PatternSite, low: float, high: float, least: float, most: float, tensor: Tensor
    ) -> PatternSite:
        """Units that rise from `least` to `most` while the pre-activation rises from `low` to `high`."""
        # The lowest and highest number of a dtype mean no bound.
        limit = float(np.finfo(_dtype(tensor)).max)
        below, above = low > -limit, high < limit
        if low >= high or not (below or above):
            raise _UnreadError("has no threshold" if low < high else "is constant")
        thresholds = (low,) * below + (high,) * above
        units = replace(units, thresholds=thresholds)
        if above and tensor.dtype is None:
            # The number just below the bound depends on the dtype.
            return self._by_source(units)
        return replace(units, above=(least,) * below + (_before(most, tensor),) * above)

    def _extreme(self, units: PatternSite, node: NodeProto, tensor: Tensor) -> PatternSite:
        """Max and Min of a tensor and constants."""
        kept = [name for name in node.input if self._constant(name) is None]
        if len(kept) != 1 or len(node.input) == 1:
            raise _UnreadError(
                f"is the {_SIDE[node.op_type]} of several tensors; only comparisons with constants are supported"
            )
        values = [np.ravel(self._constant(name)) for name in node.input if name not in kept]  # type: ignore[arg-type]
        if any(np.ptp(value) for value in values):
            raise _UnreadError("compares units with different constants")
        bound = float((max if node.op_type == "Max" else min)(value[0] for value in values))
        units = replace(units, source=self._paths.get(kept[0], ""), thresholds=(bound,))
        if node.op_type == "Max":
            return replace(units, above=(bound,))
        return (
            self._by_source(units)
            if tensor.dtype is None
            else replace(units, above=(_before(bound, tensor),))
        )

    def _pool(self, units: PatternSite) -> PatternSite:
        if self._nested:
            raise _UnreadError("is a MaxPool inside a function or control flow")
        if self._model.standard_opset < _MIN_OPSET_POOL_INDICES:
            raise _UnreadError("is a MaxPool of an operator set older than 8, which has no indices")
        return replace(units, thresholds=(), above=(), read="")

    def _by_source(self, units: PatternSite) -> PatternSite:
        """Units whose activation does not determine the state."""
        if not units.source:
            raise _UnreadError(f"is a {units.op} of a tensor outside its function or branch")
        return replace(units, read=units.source, above=units.thresholds)

    def _check(self, site: PatternSite) -> None:
        tensor = self._tensors.get(site.read)
        if tensor is not None and not tensor.is_input:
            reason = why_not_measurable(self._model, tensor)
            if reason is not None:
                raise _UnreadError(reason)

    def _constant(self, name: str) -> Array | None:
        """Read a constant of the model file; None if it is computed, external or large."""
        node = self._producer.get(name)
        if node is not None and node.op_type in {"Cast", "Identity"} and node.input:
            return self._constant(node.input[0])
        stored = self._stored.get(name)
        if node is not None and node.op_type == "Constant":
            value = next(iter(attribute_values(node).values()), None)
            if not isinstance(value, TensorProto):
                return np.asarray(value) if isinstance(value, float | int | list | tuple) else None
            stored = value
        if stored is None or stored.data_location == TensorProto.EXTERNAL:
            return None
        if np.prod(stored.dims) > _MAX_CONSTANT_ELEMENTS:
            return None
        return stored_array(stored)


_SIDE = {"Max": "largest", "Min": "smallest"}
_WHY = {
    "BiasSplitGelu": "multiplies two halves of its input, so its sign is not a state",
    "GRU": "has its units inside the operator",
    "GlobalMaxPool": "takes the largest of a whole channel; only MaxPool is supported",
    "LSTM": "has its units inside the operator",
    "RNN": "has its units inside the operator",
    "ReduceMax": "takes the largest along axes; only MaxPool is supported",
    "ReduceMin": "takes the smallest along axes; only MaxPool is supported",
}


def _dtype(tensor: Tensor) -> type[np.floating[Any]]:
    # bfloat16 is watched as float32.
    dtypes: dict[str, type[np.floating[Any]]] = {"float16": np.float16, "float64": np.float64}
    return dtypes.get(tensor.dtype or "", np.float32)


def _before(bound: float, tensor: Tensor) -> float:
    """Return the largest number of a tensor's dtype below a bound."""
    dtype = _dtype(tensor)
    return float(np.nextafter(dtype(bound), dtype(-np.inf)))
