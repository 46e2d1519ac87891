"""Models whose Jacobian norms have closed forms, and float64 references."""

from __future__ import annotations

import numpy as np
import small_models
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

import onnx_ood

W = small_models.normal(6, 4, seed=80)
POINTS = small_models.normal(5, 6, seed=81)
# What is promised of the differences; in the models here they do far better.
ONE_PERCENT = 0.01
# float32 in and out, no bend: what rounding leaves.
ROUNDING = 1e-3


def net(body: str, save, shape: str = "N, 6", **weights: np.ndarray) -> onnx_ood.Model:
    """A model of one input `x` and one output `y`, whose weights are w, 6×4, and others."""
    text = f"net (float[{shape}] x) => (y) {{ {body} }}"
    return onnx_ood.load(save(small_models.build(text, {"w": W, **weights})))


def perceptron(kind: str) -> ModelProto:
    """Two layers with bends between them, in `float` or `double`."""
    dtype = {"float": "float32", "double": "float64"}[kind]
    return small_models.build(
        f"perceptron ({kind}[N, 6] x) => ({kind}[N, 4] y) {{ h = Gemm (x, v) r = Relu (h) y = Gemm (r, u) }}",
        {
            "v": small_models.normal(6, 20, seed=88, dtype=dtype),
            "u": small_models.normal(20, 4, seed=89, dtype=dtype),
        },
    )


def softmax_jacobian(logits: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max())
    p /= p.sum()
    return (np.diag(p) - np.outer(p, p)) @ jacobian


def reference_norms(proto: ModelProto, batch: np.ndarray, *, softmax: bool) -> np.ndarray:
    """‖J‖_F of each input by float64 differences of a float64 model, in steps that rarely meet a bend."""
    evaluator = ReferenceEvaluator(proto)
    step = 1e-6

    def outputs(x: np.ndarray) -> np.ndarray:
        return evaluator.run(None, {proto.graph.input[0].name: x})[0].reshape(len(x), -1)

    found = []
    for x in batch.astype(np.float64):
        units = np.eye(x.size).reshape(-1, *x.shape) * step
        jacobian = ((outputs(x + units) - outputs(x - units)) / (2 * step)).T
        if softmax:
            jacobian = softmax_jacobian(outputs(x[np.newaxis])[0], jacobian)
        found.append(np.linalg.norm(jacobian))
    return np.array(found)
