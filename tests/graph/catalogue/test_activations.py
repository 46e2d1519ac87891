"""Which tensors are results of activation functions."""

from __future__ import annotations

import pytest
import small_models
from onnx import helper

from onnx_ood.graph.catalogue.activations import ACTIVATION_OPS, activation_outputs


def activations(text: str) -> frozenset[str]:
    graph = small_models.build(f"g (float[N, 4] x, float[N, 4] w) => (float[N, 4] y) {{ {text} }}").graph
    return activation_outputs(graph.node)


@pytest.mark.parametrize("op", sorted(ACTIVATION_OPS))
def test_one_operator(op: str) -> None:
    assert activations(f"h = MatMul (x, w) a = {op} (h) y = MatMul (a, w)") == {"a"}


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Add", "Erf", "LayerNormalization", "Sign"])
def test_what_is_no_activation(op: str) -> None:
    assert activations(f"y = {op} (x, w)") == frozenset()


@pytest.mark.parametrize("source", ["Gemm (x, w)", "Mul (x, root2)", "Add (x, one)", "Relu (x)"])
@pytest.mark.parametrize("form", small_models.DECOMPOSED)
def test_a_decomposed_function_is_its_last_tensor(form: str, source: str) -> None:
    """Whatever computes its input, a layer normalisation's product with a scale included."""
    expected = {"act", "h"} if source.startswith("Relu") else {"act"}
    assert activation_outputs(small_models.decomposed(form, source).graph.node) == expected


def test_a_gate_of_something_else_is_an_activation_itself() -> None:
    """Squeeze and excitation multiplies x with the sigmoid of another tensor."""
    assert activations("s = MatMul (x, w) g = Sigmoid (s) y = Mul (x, g)") == {"g"}
    assert activations("s = MatMul (x, w) g = Tanh (s) y = Mul (x, g)") == {"g"}


def test_mish_of_another_tensor_is_none() -> None:
    assert activations("s = Softplus (w) t = Tanh (s) y = Mul (x, t)") == {"s", "t"}


def test_an_error_function_alone_is_no_gelu() -> None:
    assert activations("e = Erf (x) p = Add (e, w) y = Mul (p, x)") == frozenset()
    assert activations("e = Erf (x) y = Add (e, w)") == frozenset()
    assert activations("e = Tanh (x) p = Add (e, w) q = Add (e, x) y = Mul (p, q)") == {"e"}


def test_damaged_nodes_are_passed_over() -> None:
    graph = small_models.build(
        "g (float[N] x) => (float[N] y) { e = Erf (x) p = Add (e, x) y = Mul (p, x) }"
    ).graph
    for node in graph.node:
        del node.output[:]
    assert activation_outputs(graph.node) == frozenset()
    graph = small_models.decomposed("mish").graph
    for node in graph.node:
        del node.input[:]
    assert activation_outputs(graph.node) == frozenset()


def test_an_activation_that_the_optimiser_has_fused_counts() -> None:
    nodes = [
        helper.make_node("FusedConv", ["x", "w"], ["fused"], domain="com.microsoft", activation="Relu"),
        helper.make_node("FusedConv", ["fused", "w"], ["plain"], domain="com.microsoft"),
        helper.make_node("Conv", ["plain", "w"], ["standard"]),
    ]
    assert activation_outputs(nodes) == {"fused"}
