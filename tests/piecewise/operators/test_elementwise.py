"""Elementwise units against onnx's reference, and their thresholds against second differences."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from piecewise_nodes import assert_as_reference, context

from onnx_ood.piecewise.operators import UnsupportedError, steps_of
from onnx_ood.piecewise.steps import Elementwise

POINTS = np.linspace(-6, 6, 97).reshape(1, 1, 97)


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("Relu", ["x"], ["y"]), {}),
        (helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.25), {}),
        (helper.make_node("PRelu", ["x", "slope"], ["y"]), {"slope": np.array([0.5])}),
        (helper.make_node("Abs", ["x"], ["y"]), {}),
        (
            helper.make_node("Clip", ["x", "low", "high"], ["y"]),
            {"low": np.array(-1.0), "high": np.array(2.0)},
        ),
        (helper.make_node("Clip", ["x", "", "high"], ["y"]), {"high": np.array(3.0)}),
        (helper.make_node("HardSigmoid", ["x"], ["y"], alpha=0.25, beta=0.5), {}),
    ],
    ids=lambda node: getattr(node, "op_type", ""),
)
def test_values_are_those_of_the_reference_and_bends_are_at_the_thresholds(node, constants) -> None:
    step = assert_as_reference(node, [POINTS], constants)
    assert isinstance(step, Elementwise)
    values = step.apply(POINTS).ravel()
    bends = POINTS.ravel()[1:-1][np.abs(np.diff(values, 2)) > 1e-9]
    np.testing.assert_allclose(step.thresholds, bends, atol=1e-9)


def test_the_largest_numbers_of_a_type_are_no_bounds() -> None:
    least = np.finfo(np.float32).min
    node = helper.make_node("Clip", ["x", "low", "high"], ["y"])
    (step,) = steps_of(context({"x": (1, 2)}, {"low": np.array(least), "high": np.array(6.0)}), node)
    assert isinstance(step, Elementwise)
    assert step.thresholds == (6.0,)


def test_a_sigmoid_without_a_slope_has_no_thresholds() -> None:
    with pytest.raises(UnsupportedError, match="alpha is 0"):
        steps_of(context({"x": (1, 2)}), helper.make_node("HardSigmoid", ["x"], ["y"], alpha=0.0))
