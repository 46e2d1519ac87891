"""Which units a model has, and how their activation codes are read.

The code of a unit says in which piece of its activation function it is: above how many thresholds its pre-activation
lies, or which element of its window is the largest. A pre-activation that is handed out keeps the runtime from fusing
it with its activation function; so, wherever the activation itself tells the same, the activation is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnx_ood.graph.catalogue.activations import Activation, activations
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.select import why_not_measurable

Exactness = Literal["linear", "pattern", "sign"]

# Smooth functions of the sign of their argument.
_SIGN_KEPT = frozenset(
    {"Celu", "Elu", "FastGelu", "Gelu", "Mish", "QuickGelu", "Selu", "Softsign", "Swish", "Tanh"}
)
_SIGN_LOST = frozenset({"Sigmoid", "Softplus"})
# Of these the sign is kept only where this attribute is positive (by default it is).
_SLOPE = {"Celu": "alpha", "Elu": "alpha"}
# Units that are no activation functions.
_OTHER_UNITS = frozenset(
    {"Abs", "GRU", "GlobalMaxPool", "LSTM", "Max", "MaxPool", "Min", "RNN", "ReduceMax", "ReduceMin"}
)
# Constants up to this many elements are read.
_MOST_ELEMENTS = 1 << 16
# The first version of MaxPool that tells where the largest elements are.
_INDICES_FROM = 8


@dataclass(frozen=True, slots=True)
class PatternSite:
    """The units of one activation function, and how their codes are read.

    Attributes:
        name: The tensor that the units give.
        op: The operator as written, such as `"Relu"`, or `"Gelu (decomposed)"`.
        source: The pre-activation; of MaxPool what the windows slide over. Empty where it is inside an operator (with
            its bias), or outside the function or branch that the units are in.
        exact: `"linear"` if units are affine between thresholds, so that codes are those of linear regions;
            `"pattern"` if a threshold is where another formula begins, but not all of these are affine; `"sign"` if
            the function is smooth and the sign of its pre-activation stands for a code.
        thresholds: On the pre-activation, ascending. None for MaxPool, whose code is the place of the largest element.
        read: The tensor that is read.
        above: What is compared with it, in the order of `thresholds`: a unit's code is how many of these its value is
            above. Equal to the code on the pre-activation but where that is the upper bound of a Clip or HardSigmoid
            to the last bit.
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
        """True if the code is the place of the largest element of a window."""
        return not self.thresholds


@dataclass(frozen=True)
class Units:
    """The units of a model.

    Attributes:
        sites: Those of which codes can be read, in execution order.
        unread: Why those of other sites can't be, by the name of the tensor that they give.
    """

    sites: tuple[PatternSite, ...]
    unread: Mapping[str, str]


class _UnreadError(Exception):
    """Codes can't be read; says why."""


def find_units(model: Model) -> Units:
    """Finds the units of a model, those inside functions and control flow too.

    Args:
        model: The model.

    Returns:
        How their codes are read, or why they can't be.
    """
    names = {name: name for name in model.by_name}
    scopes = [_Scope(model, execution_order(model.proto.graph.node), names, inner=False)]
    paths: dict[str, dict[str, str]] = {}
    nodes: dict[str, dict[int, NodeProto]] = {}
    for inner in model.nested.tensors:
        paths.setdefault(inner.scope, {})[inner.local] = inner.path
        if not inner.argument:
            nodes.setdefault(inner.scope, {})[id(inner.node)] = inner.node
    scopes += [
        _Scope(model, list(found.values()), paths[scope], inner=True) for scope, found in nodes.items()
    ]
    sites: dict[str, PatternSite] = {}
    unread: dict[str, str] = {}
    for scope in scopes:
        scope.look(sites, unread)
    order = {tensor.name: i for i, tensor in enumerate(model.all_tensors)}
    return Units(
        tuple(sorted(sites.values(), key=lambda site: order[site.name])),
        {name: unread[name] for name in sorted(unread, key=order.__getitem__)},
    )


class _Scope:
    """One graph of a model: the main one, a branch or body, or a function's at one of its calls."""

    def __init__(
        self, model: Model, nodes: Sequence[NodeProto], paths: Mapping[str, str], *, inner: bool
    ) -> None:
        """Takes a graph.

        Args:
            model: The model.
            nodes: The graph's nodes in execution order.
            paths: Scoped paths of its tensors, by the name there.
            inner: True if it is not the main graph.
        """
        self._model, self._nodes, self._paths, self._inner = model, nodes, paths, inner
        self._producer = {name: node for node in nodes for name in node.output if name}
        self._stored = {} if inner else {tensor.name: tensor for tensor in model.proto.graph.initializer}
        self._tensors = {tensor.name: tensor for tensor in model.all_tensors}

    def look(self, sites: dict[str, PatternSite], unread: dict[str, str]) -> None:
        """Adds the units of this graph to what was found."""
        found = activations(self._nodes)
        for node in self._nodes:
            if node.op_type in _OTHER_UNITS and node.input and node.output and node.output[0]:
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
        attributes = {found.name: helper.get_attribute_value(found) for found in activation.node.attribute}
        if function in _SIGN_LOST:
            return self._by_source(replace(units, exact="sign"))
        if function in _SIGN_KEPT:
            biased = len([name for name in activation.node.input if name]) > 1
            units = replace(units, exact="sign", source="" if biased else units.source)
            kept = function not in _SLOPE or attributes.get(_SLOPE[function], 1.0) > 0
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
        raise _UnreadError(_WHY.get(function, "is not known to have codes"))

    def _clip(
        self, units: PatternSite, node: NodeProto, attributes: Mapping[str, Any], tensor: Tensor
    ) -> PatternSite:
        bounds = {"min": attributes.get("min", -np.inf), "max": attributes.get("max", np.inf)}
        for place, name in enumerate(bounds, start=1):
            if len(node.input) > place and node.input[place]:
                stored = self._constant(node.input[place])
                if stored is None or stored.size != 1:
                    raise _UnreadError(f"has a bound, {node.input[place]!r}, that isn't stored in the file")
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
            raise _UnreadError("has a slope that isn't positive")
        low, high = -beta / alpha, (1 - beta) / alpha
        if activation.function == "HardSwish":
            return self._by_source(replace(units, exact="pattern", thresholds=(low, high)))
        return self._between(units, low, high, 0.0, 1.0, tensor)

    def _between(
        self, units: PatternSite, low: float, high: float, least: float, most: float, tensor: Tensor
    ) -> PatternSite:
        """Units that rise from `least` to `most` while the pre-activation goes from `low` to `high`."""
        # The lowest and highest number of a type stand for no bound.
        limit = float(np.finfo(_dtype(tensor)).max)
        below, above = low > -limit, high < limit
        if low >= high or not (below or above):
            raise _UnreadError("has no threshold" if low < high else "gives one value for all inputs")
        thresholds = (low,) * below + (high,) * above
        units = replace(units, thresholds=thresholds)
        if above and tensor.dtype is None:
            # Which number comes just before the bound isn't known.
            return self._by_source(units)
        return replace(units, above=(least,) * below + (_before(most, tensor),) * above)

    def _extreme(self, units: PatternSite, node: NodeProto, tensor: Tensor) -> PatternSite:
        """Max and Min of a tensor and constants."""
        kept = [name for name in node.input if self._constant(name) is None]
        if len(kept) != 1 or len(node.input) == 1:
            raise _UnreadError(
                f"is the {_SIDE[node.op_type]} of several tensors; only constants can be compared"
            )
        values = [np.ravel(self._constant(name)) for name in node.input if name not in kept]  # type: ignore[arg-type]
        if any(np.ptp(value) for value in values):
            raise _UnreadError("compares units with constants that differ from one to the next")
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
        if self._inner:
            raise _UnreadError("is a MaxPool inside a function or control flow")
        if self._model.opsets.get("ai.onnx", 1) < _INDICES_FROM:
            raise _UnreadError(
                "is a MaxPool of an operator set older than 8, which can't tell where the largest are"
            )
        return replace(units, thresholds=(), above=(), read="")

    def _by_source(self, units: PatternSite) -> PatternSite:
        """Units of which the output doesn't tell the code."""
        if not units.source:
            raise _UnreadError(f"is a {units.op} of a tensor that is outside its function or branch")
        return replace(units, read=units.source, above=units.thresholds)

    def _check(self, site: PatternSite) -> None:
        tensor = self._tensors.get(site.read)
        if tensor is not None and not tensor.is_input:
            reason = why_not_measurable(self._model, tensor)
            if reason is not None:
                raise _UnreadError(reason)

    def _constant(self, name: str) -> NDArray[Any] | None:
        """Values that the file itself holds, None of what is computed, external or large."""
        node = self._producer.get(name)
        if node is not None and node.op_type in {"Cast", "Identity"} and node.input:
            return self._constant(node.input[0])
        stored = self._stored.get(name)
        if node is not None and node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0]) if node.attribute else None
            if not isinstance(value, TensorProto):
                return np.asarray(value) if isinstance(value, float | int | list | tuple) else None
            stored = value
        if stored is None or stored.data_location == TensorProto.EXTERNAL:
            return None
        if np.prod(stored.dims) > _MOST_ELEMENTS:
            return None
        return numpy_helper.to_array(stored)


_SIDE = {"Max": "largest", "Min": "smallest"}
_WHY = {
    "BiasSplitGelu": "multiplies two halves of its input, so its sign is no code",
    "GRU": "has its units inside the operator",
    "GlobalMaxPool": "takes the largest of a whole channel; only windows of MaxPool can be read",
    "LSTM": "has its units inside the operator",
    "RNN": "has its units inside the operator",
    "ReduceMax": "takes the largest along axes; only windows of MaxPool can be read",
    "ReduceMin": "takes the smallest along axes; only windows of MaxPool can be read",
}


def _dtype(tensor: Tensor) -> type[np.floating[Any]]:
    # bfloat16 is handed out as float32.
    kinds: dict[str, type[np.floating[Any]]] = {"float16": np.float16, "float64": np.float64}
    return kinds.get(tensor.dtype or "", np.float32)


def _before(bound: float, tensor: Tensor) -> float:
    """The largest number of a tensor's type below a bound."""
    kind = _dtype(tensor)
    return float(np.nextafter(kind(bound), kind(-np.inf)))


@dataclass(frozen=True, slots=True)
class PoolIndices:
    """Where an added MaxPool tells the places of the largest elements.

    Attributes:
        indices: The tensor with their places, counted through all of the pool's input.
        shape: The tensor with the shape of that input.
    """

    indices: str
    shape: str


def with_pool_indices(model: Model, pools: Iterable[str]) -> tuple[Model, dict[str, PoolIndices]]:
    """Copies a model and adds to the copy what tells which elements of windows are the largest.

    Args:
        model: The model.
        pools: Outputs of MaxPool nodes in the main graph.

    Returns:
        The copy, and where in it the places are, by pool.
    """
    pools = set(pools)
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    names = Names(proto)
    found = {}
    for node in model.proto.graph.node:
        if node.output and node.output[0] in pools:
            name = node.output[0]
            places = PoolIndices(names.fresh(f"{name}@places"), names.fresh(f"{name}@shape"))
            again = proto.graph.node.add()
            again.CopyFrom(node)
            again.name = names.fresh(f"{name}@again")
            del again.output[:]
            again.output.extend([names.fresh(f"{name}@largest"), places.indices])
            proto.graph.node.add(
                op_type="Shape",
                name=names.fresh(f"{name}@measured"),
                input=[node.input[0]],
                output=[places.shape],
            )
            found[name] = places
    return Model(model.path, proto, model.data_files), found
