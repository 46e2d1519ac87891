"""Single nodes, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from onnx_ood.graph.catalogue.node_evaluation import evaluate_node


def test_named_outputs_are_computed() -> None:
    x = np.arange(12.0).reshape(3, 4)
    node = helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)
    a, b = evaluate_node(node, {"x": x, "other": x}, [("", 18)])
    np.testing.assert_array_equal(a, x[:, :2])
    np.testing.assert_array_equal(b, x[:, 2:])


def test_the_operator_set_counts() -> None:
    x = np.arange(6.0).reshape(2, 3)
    old = evaluate_node(helper.make_node("ReduceSum", ["x"], ["y"], axes=[1]), {"x": x}, [("", 11)])
    new = evaluate_node(
        helper.make_node("ReduceSum", ["x", "axes"], ["y"]), {"x": x, "axes": np.array([1])}, [("", 13)]
    )
    for found in (*old, *new):
        np.testing.assert_array_equal(found, x.sum(axis=1, keepdims=True))


def test_a_missing_value_raises() -> None:
    with pytest.raises(KeyError):
        evaluate_node(helper.make_node("Neg", ["x"], ["y"]), {}, [("", 18)])
