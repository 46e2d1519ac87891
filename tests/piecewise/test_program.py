"""Programs read from models, against onnx's reference in float64."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.exceptions import ModelError
from onnx_ood.piecewise import read_program
from onnx_ood.piecewise.steps import value_of


def test_every_unit_has_the_value_of_the_reference(save) -> None:
    proto = small_models.classifier(dtype="float64")
    program = read_program(onnx_ood.load(save(proto)), "image", (1, 3, 8, 8))
    assert program.sites == ("relu1", "relu2")
    # What comes after the last unit is left out.
    assert [step.output for step in program.steps] == ["conv1", "relu1", "conv2", "relu2"]
    images = small_models.images(3, dtype="float64")
    values = {"image": images[:, np.newaxis]}
    for step in program.steps:
        values[step.output] = value_of(step, [values[name] for name in step.inputs])
    evaluator = ReferenceEvaluator(small_models.marked(proto, ["relu1", "relu2"]))
    _, *expected = evaluator.run(None, {"image": images})
    for name, value in zip(program.sites, expected, strict=True):
        np.testing.assert_allclose(values[name][:, 0], value, rtol=1e-10, atol=1e-12)


def test_constants_and_shapes_are_evaluated(save) -> None:
    text = """
        g (double[N, 4] x) => (double[N, 4] y) {
            two = Add (one, one)
            h = Mul (x, two)
            size = Shape (h)
            again = Reshape (h, size)
            y = Relu (again)
        }
    """
    model = onnx_ood.load(save(small_models.build(text, {"one": np.array(1.0)})))
    program = read_program(model, "x", (1, 4))
    value = np.array([[[-1.0, 0.5, 2.0, -3.0]]])
    for step in program.steps:
        value = value_of(step, [value])
    np.testing.assert_array_equal(value, [[[0, 1, 4, 0]]])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("s = Sigmoid (x) y = Relu (s)", r"not piecewise linear: node 'n0' \(Sigmoid\)"),
        ("s = Mul (x, x) t = Neg (s) y = Abs (t)", r"node 'n0' \(Mul\): it multiplies or divides"),
        ("y = Neg (x)", "no piecewise-linear units: all its operators are affine"),
        ("y = Exp (x)", r"no piecewise-linear units: node 'n0' \(Exp\)"),
    ],
)
def test_what_is_not_piecewise_linear_is_named(body: str, reason: str, save) -> None:
    model = onnx_ood.load(save(small_models.build(f"g (double[N, 4] x) => (double[N, 4] y) {{ {body} }}")))
    with pytest.raises(ModelError, match=reason):
        read_program(model, "x", (1, 4))
