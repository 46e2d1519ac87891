"""Which tensors are the results of activation functions.

Exporters write an activation as one operator (Relu, Gelu) or as a few (SiLU as `x * Sigmoid(x)`). In the
second form only the last tensor is the activation; the gate before it is an intermediate value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from onnx import NodeProto

# Operators of the ONNX standard and of onnxruntime's contrib domain that apply a nonlinearity to
# each element. Softmax is left out: it is a head or an attention weight, not a unit that is on or off.
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
# Nodes on the way from x to the tanh of a GELU, the cube aside: x + 0.044715·x³, times √(2/π).
_GELU_ARGUMENT = 2
# What x times each of them is called; with Tanh, that of x's Softplus.
_GATES = {"Sigmoid": "Swish", "HardSigmoid": "HardSwish", "Tanh": "Mish"}


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation function in a graph.

    Attributes:
        output: The tensor that it gives.
        function: What it is called: the operator, or of a decomposed one the operator that would do the same.
        source: The tensor that it is a function of, the pre-activation. Of operators that add a bias first it is
            the tensor without it.
        node: The operator; of a decomposed function the gate, or the Erf or Tanh in it.
        decomposed: True if it is written as a few operators.
    """

    output: str
    function: str
    source: str
    node: NodeProto
    decomposed: bool


def activations(nodes: Sequence[NodeProto]) -> dict[str, Activation]:
    """Finds the activation functions of a graph.

    Args:
        nodes: The nodes of one graph in execution order.

    Returns:
        By the tensor that each gives: activation operators, with their first outputs, and with the last product the
        decomposed forms of SiLU (`x·σ(x)`), hard swish (`x·hardsigmoid(x)`), Mish (`x·tanh(softplus(x))`) and
        GELU (`x·½(1 + erf(x/√2))`, and its tanh form).
    """
    # A damaged file may hold nodes that read or give nothing.
    nodes = [node for node in nodes if node.input and node.output]
    producer = {name: node for node in nodes for name in node.output if name}
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
                    # Mish: the softplus inside is a step of the formula as well.
                    found.pop(source, None)
                    source = producer[source].input[0]
                output = node.output[0]
                found[output] = Activation(output, _GATES[gate.op_type], source, gate, True)
    for inner, source, last in _gelus(nodes, producer):
        found.pop(inner.output[0], None)
        found[last.output[0]] = Activation(last.output[0], "Gelu", source, inner, True)
    return found


def activation_outputs(nodes: Sequence[NodeProto]) -> frozenset[str]:
    """The tensors that `activations` finds.

    Args:
        nodes: The nodes of one graph in execution order.
    """
    return frozenset(activations(nodes))


def _gate_of(mul: NodeProto, producer: Mapping[str, NodeProto]) -> NodeProto | None:
    """The gate node if `mul` is `x * gate(x)`, else None."""
    for value, gated in (mul.input, reversed(mul.input)):
        gate = producer.get(gated)
        if gate is None or gate.op_type not in _GATES or not gate.input:
            continue
        if gate.op_type == "Tanh":
            inner = producer.get(gate.input[0])
            if inner is not None and inner.op_type == "Softplus" and inner.input[0] == value:
                return gate
        elif gate.input[0] == value:
            return gate
    return None


def _gelus(
    nodes: Sequence[NodeProto], producer: Mapping[str, NodeProto]
) -> Iterator[tuple[NodeProto, str, NodeProto]]:
    """Yields the Erf or Tanh, x, and the last Mul of each decomposed GELU.

    Both written forms are known: `(x·½)·(1 + erf)`, whose first product is the last, and
    `(x·(1 + erf))·½`, which has one more.
    """
    readers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for inner in nodes:
        if inner.op_type not in {"Erf", "Tanh"}:
            continue
        plus_one = _only_reader(readers, inner.output[0], "Add")
        product = _only_reader(readers, plus_one.output[0], "Mul") if plus_one else None
        if plus_one is None or product is None:
            continue
        other = next((name for name in product.input if name != plus_one.output[0]), "")
        # x itself enters the erf or tanh as well; x·½ is only multiplied.
        before = _read_before(inner, producer)
        unscaled = other in before
        last = _only_reader(readers, product.output[0], "Mul") if unscaled else product
        if last is not None:
            scaled = producer[other].input if other in producer and not unscaled else ()
            # If it can't be told where x is, x·½ has its sign.
            yield inner, next((name for name in scaled if name in before), other), last


def _read_before(node: NodeProto, producer: Mapping[str, NodeProto]) -> set[str]:
    """Names that a node reads, and the few nodes before it: as many as the argument of a GELU takes."""
    names = set(node.input)
    for _ in range(_GELU_ARGUMENT):
        names.update(name for read in list(names) if read in producer for name in producer[read].input)
    return names


def _only_reader(readers: Mapping[str, list[NodeProto]], name: str, op: str) -> NodeProto | None:
    following = readers.get(name, [])
    return following[0] if len(following) == 1 and following[0].op_type == op else None
