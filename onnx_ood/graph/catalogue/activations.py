"""Activation functions of a graph, written as one operator or as several.

Exporters write an activation as one operator (Relu, Gelu) or as a few (SiLU as `x * Sigmoid(x)`). In the second form
only the last tensor is the activation; the gate before it is an intermediate value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from onnx import NodeProto

from onnx_ood.graph.catalogue.nodes import is_standard, producers

# Elementwise nonlinear operators of the ONNX standard and of onnxruntime's contrib domain. Softmax is left out: it is a
# head or an attention weight, without units that are active or not.
ACTIVATION_OPS = frozenset(
    {
        "BiasGelu",
        "BiasSplitGelu",
        "Celu",
        "Clip",
        "Elu",
        "FastGelu",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Mish",
        "PRelu",
        "QuickGelu",
        "Relu",
        "Selu",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Swish",
        "Tanh",
        "ThresholdedRelu",
    }
)
# Nodes between x and the tanh of a GELU, the cube aside: x + 0.044715·x³, times √(2/π).
_GELU_ARGUMENT_NODES = 2
# Name of x times the function; for Tanh, of x times the tanh of its Softplus.
_GATES = {"Sigmoid": "Swish", "HardSigmoid": "HardSwish", "Tanh": "Mish"}


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation function in a graph.

    Attributes:
        output: Its result.
        function: The operator, or for a decomposed function the equivalent operator.
        source: The pre-activation; without the bias if the operator adds one.
        node: The operator; for a decomposed function its gate, or its Erf or Tanh.
        decomposed: True if it is written as several operators.
    """

    output: str
    function: str
    source: str
    node: NodeProto
    decomposed: bool


def activations(nodes: Sequence[NodeProto]) -> dict[str, Activation]:
    """Find the activation functions of a graph.

    Args:
        nodes: Nodes of one graph in execution order.

    Returns:
        By output: activation operators (first output), and the decomposed forms of SiLU (`x·σ(x)`), hard swish
        (`x·hardsigmoid(x)`), Mish (`x·tanh(softplus(x))`) and GELU (`x·½(1 + erf(x/√2))`, and its tanh form; last
        product).
    """
    # A damaged file may hold nodes without inputs or outputs.
    nodes = [node for node in nodes if node.input and node.output]
    producer = producers(nodes)
    found: dict[str, Activation] = {}
    for node in nodes:
        if node.op_type in ACTIVATION_OPS and node.output[0]:
            found[node.output[0]] = Activation(node.output[0], node.op_type, node.input[0], node, False)
    for node in nodes:
        if node.op_type == "Mul" and len(node.input) == 2:
            gate = _gate_of(node, producer)
            if gate is not None:
                found.pop(gate.output[0], None)
                source = gate.input[0]
                if gate.op_type == "Tanh":
                    # Mish: the softplus inside is an intermediate value as well.
                    found.pop(source, None)
                    source = producer[source].input[0]
                output = node.output[0]
                found[output] = Activation(output, _GATES[gate.op_type], source, gate, True)
    for erf, source, last in _gelus(nodes, producer):
        found.pop(erf.output[0], None)
        found[last.output[0]] = Activation(last.output[0], "Gelu", source, erf, True)
    return found


def activation_outputs(nodes: Sequence[NodeProto]) -> frozenset[str]:
    """Names of the tensors that `activations` finds, and of results of operators with a fused activation.

    Args:
        nodes: The nodes of one graph in execution order.
    """
    fused = {node.output[0] for node in nodes if node.output and _has_fused_activation(node)}
    return frozenset(fused.union(activations(nodes)))


def _has_fused_activation(node: NodeProto) -> bool:
    """Return whether onnxruntime's optimiser has put an activation into an operator (FusedConv, FusedGemm, …)."""
    return not is_standard(node.domain) and any(
        attribute.name == "activation" and attribute.s for attribute in node.attribute
    )


def _gate_of(mul: NodeProto, producer: Mapping[str, NodeProto]) -> NodeProto | None:
    """Return the gate node if `mul` is `x * gate(x)`, else None."""
    for value, gated in (mul.input, reversed(mul.input)):
        gate = producer.get(gated)
        if gate is None or gate.op_type not in _GATES or not gate.input:
            continue
        if gate.op_type == "Tanh":
            softplus = producer.get(gate.input[0])
            if softplus is not None and softplus.op_type == "Softplus" and softplus.input[0] == value:
                return gate
        elif gate.input[0] == value:
            return gate
    return None


def _gelus(
    nodes: Sequence[NodeProto], producer: Mapping[str, NodeProto]
) -> Iterator[tuple[NodeProto, str, NodeProto]]:
    """Yield the Erf or Tanh, x, and the last Mul of each decomposed GELU.

    Both forms are recognized: `(x·½)·(1 + erf)`, and `(x·(1 + erf))·½` with one more product at the end.
    """
    readers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for erf in nodes:
        if erf.op_type not in {"Erf", "Tanh"}:
            continue
        plus_one = _only_reader(readers, erf.output[0], "Add")
        product = _only_reader(readers, plus_one.output[0], "Mul") if plus_one else None
        if plus_one is None or product is None:
            continue
        other = next((name for name in product.input if name != plus_one.output[0]), "")
        # x is read by the erf or tanh as well; x·½ is only multiplied.
        before = _read_before(erf, producer)
        unscaled = other in before
        last = _only_reader(readers, product.output[0], "Mul") if unscaled else product
        if last is not None:
            scaled = producer[other].input if other in producer and not unscaled else ()
            # If x is not found, x·½ has its sign.
            yield erf, next((name for name in scaled if name in before), other), last


def _read_before(node: NodeProto, producer: Mapping[str, NodeProto]) -> set[str]:
    """Names read by a node and by the nodes before it, as far back as the argument of a GELU reaches."""
    names = set(node.input)
    for _ in range(_GELU_ARGUMENT_NODES):
        names.update(name for read in list(names) if read in producer for name in producer[read].input)
    return names


def _only_reader(readers: Mapping[str, list[NodeProto]], name: str, op: str) -> NodeProto | None:
    following = readers.get(name, [])
    return following[0] if len(following) == 1 and following[0].op_type == op else None
