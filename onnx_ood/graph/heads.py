"""Whether an output is a distribution already, or still has to go through a softmax."""

from __future__ import annotations

from onnx_ood.graph.catalogue.model import Model

# Operators whose result is made of probabilities. The softmax of a LogSoftmax is the distribution, so that it counts
# as logits.
_PROBABILITIES = frozenset(
    {"LinearClassifier", "Normalizer", "SVMClassifier", "Sigmoid", "Softmax", "TreeEnsembleClassifier"}
)
# What may stand between such an operator and the output.
_PASSING = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def gives_probabilities(model: Model, name: str) -> bool:
    """Whether a tensor is what an operator that makes probabilities gives.

    Args:
        model: The model.
        name: A tensor of the main graph.

    Returns:
        True for the result of a Softmax, a Sigmoid or a classifier of `ai.onnx.ml`, cast or put into another shape or
        not. An operator in a branch or function isn't seen.
    """
    producers = {output: node for node in model.proto.graph.node for output in node.output if output}
    node = producers.get(name)
    # A damaged file may hold a circle.
    for _ in range(len(producers)):
        if node is None or node.op_type not in _PASSING or not node.input:
            break
        node = producers.get(node.input[0])
    return node is not None and node.op_type in _PROBABILITIES
