"""Which tensors are the results of activation functions.

Exporters write an activation as one operator (Relu, Gelu) or as a few (SiLU as `x * Sigmoid(x)`). In the
second form only the last tensor is the activation; the gate before it is an intermediate value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
_GATES = frozenset({"Sigmoid", "HardSigmoid", "Tanh"})


def activation_outputs(nodes: Sequence[NodeProto]) -> frozenset[str]:
    """Finds the tensors that activation functions give.

    Args:
        nodes: The nodes of one graph in execution order.

    Returns:
        The names of the first outputs of activation operators, and of the last product of the
        decomposed forms of SiLU (`x·σ(x)`), hard swish (`x·hardsigmoid(x)`), Mish (`x·tanh(softplus(x))`) and
        GELU (`x·½(1 + erf(x/√2))`, and its tanh form).
    """
    # A damaged file may hold nodes that read or give nothing.
    nodes = [node for node in nodes if node.input and node.output]
    producer = {name: node for node in nodes for name in node.output if name}
    found: set[str] = set()
    for node in nodes:
        if node.op_type in ACTIVATION_OPS and node.output[0]:
            found.add(node.output[0])
    for node in nodes:
        if node.op_type == "Mul" and len(node.input) == 2:
            gate = _gate_of(node, producer)
            if gate is not None:
                found.discard(gate.output[0])
                if gate.op_type == "Tanh":
                    # Mish: the softplus inside is a step of the formula as well.
                    found.difference_update(gate.input[:1])
                found.add(node.output[0])
    for inner, last in _gelus(nodes, producer):
        found.discard(inner.output[0])
        found.add(last.output[0])
    return frozenset(found)


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
) -> Iterator[tuple[NodeProto, NodeProto]]:
    """Yields the Erf or Tanh and the last Mul of each decomposed GELU.

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
        unscaled = other in _read_before(inner, producer)
        last = _only_reader(readers, product.output[0], "Mul") if unscaled else product
        if last is not None:
            yield inner, last


def _read_before(node: NodeProto, producer: Mapping[str, NodeProto]) -> set[str]:
    """Names that a node reads, and the few nodes before it: as many as the argument of a GELU takes."""
    names = set(node.input)
    for _ in range(_GELU_ARGUMENT):
        names.update(name for read in list(names) if read in producer for name in producer[read].input)
    return names


def _only_reader(readers: Mapping[str, list[NodeProto]], name: str, op: str) -> NodeProto | None:
    following = readers.get(name, [])
    return following[0] if len(following) == 1 and following[0].op_type == op else None
