"""What a model gives is told apart: probabilities, or what still has to go through a softmax."""

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood.graph import gives_probabilities


def model(body: str, save, domains: tuple[str, ...] = ()) -> onnx_ood.Model:
    text = f"net (float[N, 4] x) => (y) {{ h = Gemm (x, w) {body} }}"
    weights = {"w": small_models.normal(4, 4), "shape": np.array([-1, 4], np.int64)}
    return onnx_ood.load(save(small_models.build(text, weights, domains)))


@pytest.mark.parametrize(
    "body",
    [
        "y = Softmax (h)",
        "y = Sigmoid (h)",
        "p = Softmax (h) q = Identity (p) y = Cast <to = 11> (q)",
        "p = Softmax (h) y = Reshape (p, shape)",
    ],
)
def test_a_softmax_or_sigmoid_gives_probabilities_in_whatever_shape(body: str, save) -> None:
    assert gives_probabilities(model(body, save), "y")


def test_so_does_a_classifier_of_the_other_domain(save) -> None:
    assert gives_probabilities(
        model('y = ai.onnx.ml.Normalizer <norm = "L1"> (h)', save, ("ai.onnx.ml",)), "y"
    )


@pytest.mark.parametrize("body", ["y = Relu (h)", "y = LogSoftmax (h)", "p = Softmax (h) y = Gemm (p, w)"])
def test_everything_else_does_not(body: str, save) -> None:
    assert not gives_probabilities(model(body, save), "y")


def test_an_input_does_not(save) -> None:
    assert not gives_probabilities(model("y = Identity (x)", save), "y")
