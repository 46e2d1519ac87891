"""What is known when a node is read."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from piecewise_nodes import context

from onnx_ood.piecewise.operators import UnsupportedError, has_units, steps_of
from onnx_ood.piecewise.operators.registry import expand_constant, expand_points

KNOWN = context({"x": (1, 3)}, {"c": np.arange(3, dtype=np.float32), "axes": np.array([0, 1])})


def test_inputs_are_constant_varying_or_omitted() -> None:
    node = helper.make_node("Clip", ["x", "c", ""], ["y"])
    assert KNOWN.varying(node) == ("x",)
    assert KNOWN.constant(node, 1) is KNOWN.constants["c"]
    assert KNOWN.constant(node, 2) is None
    assert KNOWN.number(node, 3) is None
    assert KNOWN.required(node, 1).dtype == np.float64
    with pytest.raises(UnsupportedError, match="its input 2 is missing"):
        KNOWN.required(node, 2)
    with pytest.raises(UnsupportedError, match="'x' depends on the model's input"):
        KNOWN.constant(node, 0)
    assert KNOWN.shapes(helper.make_node("Add", ["x", "c"], ["y"])) == [(1, 3), (3,)]


def test_axes_are_an_attribute_or_an_input() -> None:
    assert KNOWN.axes(helper.make_node("ReduceMax", ["x"], ["y"], axes=[-1])) == [-1]
    assert KNOWN.axes(helper.make_node("ReduceSum", ["x", "axes"], ["y"])) == [0, 1]
    assert KNOWN.axes(helper.make_node("ReduceSum", ["x"], ["y"])) is None


@pytest.mark.parametrize("node", [
    helper.make_node("Sigmoid", ["x"], ["y"]),
    helper.make_node("Relu", ["x"], ["y"], domain="com.example"),
])  # fmt: skip
def test_operators_that_are_not_registered_are_refused(node) -> None:
    with pytest.raises(UnsupportedError, match="not supported for this operator"):
        steps_of(KNOWN, node)


def test_units_are_those_that_bend() -> None:
    bending = {
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Abs",
        "Clip",
        "HardSigmoid",
        "Max",
        "Min",
        "MaxPool",
        "ReduceMax",
    }
    assert all(map(has_units, bending))
    assert not any(map(has_units, ["Add", "Gemm", "Conv", "AveragePool", "Reshape", "Sigmoid"]))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_constants_and_points_broadcast_as_samples_do(rank: int) -> None:
    constant, points = np.arange(3.0), np.arange(12.0).reshape(4, 3)
    total = expand_points(points, rank) + expand_constant(constant, rank)
    for i, point in enumerate(points):
        np.testing.assert_array_equal(total[i].reshape(3), point + constant)
    assert total.ndim == 1 + rank
