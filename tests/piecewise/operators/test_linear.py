"""Affine operators against onnx's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from piecewise_nodes import assert_as_reference, context

from onnx_ood.piecewise.operators import UnsupportedError, steps_of

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


@pytest.mark.parametrize("op", ["Add", "Sub", "Sum", "Mean"])
def test_sums_of_tensors_and_constants_broadcast(op: str) -> None:
    assert_as_reference(helper.make_node(op, ["x", "z"], ["y"]), [normal(3, 1, 2, 4), normal(3, 1, 1, 4)])
    assert_as_reference(helper.make_node(op, ["c", "x"], ["y"]), [normal(3, 1, 4)], {"c": normal(2, 1, 4)})


@pytest.mark.parametrize("op", ["Mul", "Div"])
def test_products_with_constants(op: str) -> None:
    assert_as_reference(helper.make_node(op, ["x", "c"], ["y"]), [normal(3, 1, 4)], {"c": normal(2, 1, 4)})
    with pytest.raises(UnsupportedError, match="depends on the model's input"):
        steps_of(context({"x": (1, 4), "z": (1, 4)}), helper.make_node(op, ["x", "z"], ["y"]))


def test_a_constant_divided_by_a_tensor_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="depends on the model's input"):
        steps_of(context({"x": (1, 4)}, {"c": normal(4)}), helper.make_node("Div", ["c", "x"], ["y"]))


def test_signs() -> None:
    assert_as_reference(helper.make_node("Neg", ["x"], ["y"]), [normal(3, 1, 4)])


@pytest.mark.parametrize("options", [{}, {"transB": 1}, {"transA": 1}, {"alpha": 0.5, "beta": 3.0}])
def test_gemm(options: dict[str, float]) -> None:
    points = normal(3, 4, 1) if options.get("transA") else normal(3, 1, 4)
    weight = normal(5, 4) if options.get("transB") else normal(4, 5)
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], **options)
    assert_as_reference(node, [points], {"w": weight, "b": normal(5)})
    assert_as_reference(helper.make_node("Gemm", ["x", "w"], ["y"], **options), [points], {"w": weight})


def test_matmul_from_either_side() -> None:
    assert_as_reference(
        helper.make_node("MatMul", ["x", "w"], ["y"]), [normal(3, 1, 2, 4)], {"w": normal(4, 5)}
    )
    assert_as_reference(
        helper.make_node("MatMul", ["w", "x"], ["y"]), [normal(3, 1, 4, 2)], {"w": normal(5, 4)}
    )
    for constants, shapes in (({}, {"x": (1, 4), "w": (4, 5)}), ({"w": normal(4)}, {"x": (1, 4)})):
        with pytest.raises(UnsupportedError, match="it multiplies"):
            steps_of(context(shapes, constants), helper.make_node("MatMul", ["x", "w"], ["y"]))


def test_batch_normalization() -> None:
    constants = {"s": normal(3), "b": normal(3), "m": normal(3), "v": normal(3) ** 2}
    names = ["x", "s", "b", "m", "v"]
    node = helper.make_node("BatchNormalization", names, ["y"], epsilon=0.125)
    assert_as_reference(node, [normal(4, 1, 3, 2, 2)], constants)
    node = helper.make_node("BatchNormalization", names, ["y"], training_mode=1)
    with pytest.raises(UnsupportedError, match="statistics of the batch"):
        steps_of(context({"x": (1, 3, 2, 2)}, constants), node)


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(op: str, keepdims: int) -> None:
    points = [normal(3, 1, 4, 5)]
    if op == "ReduceMean":
        node = helper.make_node(op, ["x"], ["y"], axes=[-1, 1], keepdims=keepdims)
        assert_as_reference(node, points)
    else:
        node = helper.make_node(op, ["x", "axes"], ["y"], keepdims=keepdims)
        assert_as_reference(node, points, {"axes": np.array([-1, 1])})
    assert_as_reference(helper.make_node(op, ["x"], ["y"], keepdims=keepdims), points)


def test_a_reduction_over_nothing_keeps_its_input() -> None:
    points = [normal(3, 1, 4)]
    assert_as_reference(helper.make_node("ReduceSum", ["x"], ["y"], noop_with_empty_axes=1), points)
