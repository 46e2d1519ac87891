"""Convolutions and pools against onnx's reference, and windows against a loop."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import small_models
from onnx import helper
from piecewise_nodes import assert_as_reference, context

from onnx_ood.piecewise.operators import UnsupportedError, steps_of
from onnx_ood.piecewise.operators.windows import window_indices
from onnx_ood.piecewise.steps import value_of

RNG = np.random.default_rng(0)
POINTS = [RNG.standard_normal((2, 1, 4, 7, 6))]
OPTIONS = [
    {},
    {"strides": [2, 1], "pads": [1, 0, 0, 2]},
    {"dilations": [2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("group", [1, 2, 4])
def test_convolutions(options: dict[str, object], group: int) -> None:
    weights = {"w": RNG.standard_normal((8, 4 // group, 3, 2)), "b": RNG.standard_normal(8)}
    assert_as_reference(
        helper.make_node("Conv", ["x", "w", "b"], ["y"], group=group, **options), POINTS, weights
    )


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[1], *OPTIONS[3:]], ids=str)
def test_pools(options: dict[str, object]) -> None:
    if options.get("pads"):
        options = options | {"pads": [1, 0, 0, 1]}
    # The reference has a row less than ONNX says.
    if options.get("auto_pad") != "SAME_LOWER":
        assert_as_reference(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], **options), POINTS)
    node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[3, 2], count_include_pad=0, **options)
    assert_as_reference(node, POINTS)


def test_a_pool_padded_before_its_input_is_that_of_onnxruntime() -> None:
    options = {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}
    (step,) = steps_of(context({"x": (1, 4, 7, 6)}), helper.make_node("MaxPool", ["x"], ["y"], **options))
    proto = small_models.build("g (double[N, 4, 7, 6] x) => (double[N, 4, a, b] y) { y = MaxPool (x) }")
    proto.graph.node[0].CopyFrom(helper.make_node("MaxPool", ["x"], ["y"], **options))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": POINTS[0][:, 0]})
    np.testing.assert_array_equal(value_of(step, POINTS)[:, 0], expected)


def test_padding_counts_as_zeros_if_asked_for() -> None:
    node = helper.make_node(
        "AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    )
    assert_as_reference(node, POINTS)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools(op: str) -> None:
    assert_as_reference(helper.make_node(op, ["x"], ["y"]), POINTS)


def test_weights_that_depend_on_the_input_are_refused() -> None:
    shapes = {"x": (1, 4, 7, 6), "w": (8, 4, 3, 3)}
    with pytest.raises(UnsupportedError, match="'w' depends on the model's input"):
        steps_of(context(shapes), helper.make_node("Conv", ["x", "w"], ["y"]))


@pytest.mark.parametrize(("stride", "pads", "dilation"), [(1, (0, 0), 1), (2, (1, 2), 1), (3, (2, 0), 2)])
@pytest.mark.parametrize("ceil", [False, True])
def test_windows_of_a_row(stride: int, pads: tuple[int, int], dilation: int, ceil: bool) -> None:
    size, kernel = 11, 3
    expected = []
    for start in range(-pads[0], size, stride):
        window = [start + dilation * k for k in range(kernel)]
        over = window[-1] - (size + pads[1] - 1)
        if over <= 0 or (ceil and over < stride):
            expected.append([at if 0 <= at < size else -1 for at in window])
    found = window_indices([size], [kernel], [stride], pads, [dilation], ceil=ceil)
    np.testing.assert_array_equal(found, expected)
