"""Largest and smallest values against onnx's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from piecewise_nodes import assert_as_reference

from onnx_ood.piecewise.steps import Maximum

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_extremes_of_tensors_and_constants_broadcast(op: str) -> None:
    points = [RNG.standard_normal((4, 1, 3, 2)), RNG.standard_normal((4, 1, 1, 2))]
    node = helper.make_node(op, ["x", "c", "z"], ["y"])
    step = assert_as_reference(node, points, {"c": RNG.standard_normal(2)})
    assert isinstance(step, Maximum)
    assert step.candidates(*points).shape == (4, 6, 3)


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("axes", [[1], [-1, 1], None])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_extremes_along_axes(op: str, axes: list[int] | None, keepdims: int) -> None:
    given = {} if axes is None else {"axes": axes}
    node = helper.make_node(op, ["x"], ["y"], keepdims=keepdims, **given)
    assert_as_reference(node, [RNG.standard_normal((4, 1, 3, 5))])
