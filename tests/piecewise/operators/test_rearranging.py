"""Rearranging operators, against numpy."""

from __future__ import annotations

import numpy as np
from onnx import helper

from onnx_ood.piecewise.operators import Context, steps_of
from onnx_ood.piecewise.steps import value_of


def test_a_tensor_is_concatenated_with_itself() -> None:
    context = Context({}, {"x": (1, 3)}, {"": 17})
    (step,) = steps_of(context, helper.make_node("Concat", ["x", "x"], ["y"], axis=1))
    points = np.arange(6.0).reshape(2, 1, 3)
    np.testing.assert_array_equal(value_of(step, [points]), np.concatenate([points, points], axis=2))


def test_padding_and_transposing() -> None:
    points = np.arange(12.0).reshape(2, 1, 2, 3)
    context = Context(
        {"pads": np.array([0, 0, 1, 0, 1, 0]), "fill": np.array(7.0)}, {"x": (1, 2, 3)}, {"": 17}
    )
    (padded,) = steps_of(context, helper.make_node("Pad", ["x", "pads", "fill"], ["y"]))
    expected = np.pad(points, [(0, 0), (0, 0), (0, 1), (1, 0)], constant_values=7.0)
    np.testing.assert_array_equal(value_of(padded, [points]), expected)
    (turned,) = steps_of(context, helper.make_node("Transpose", ["x"], ["z"], perm=[0, 2, 1]))
    np.testing.assert_array_equal(value_of(turned, [points]), points.swapaxes(2, 3))
