"""BatchNormalization nodes against onnx's reference with the statistics that are found."""

from __future__ import annotations

import numpy as np
import small_models
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.graph import find_batch_norms


def test_found_statistics_are_those_that_normalise(save) -> None:
    weights = {
        "scale": small_models.normal(3, seed=1),
        "shift": small_models.normal(3, seed=2),
        "mean": small_models.normal(3, seed=3),
        "variance": small_models.normal(3, seed=4) ** 2 + 0.5,
    }
    text = """net (float[N, 3, 2] x) => (float[N, 3, 2] y) {
        a = Neg (x)
        h = BatchNormalization <epsilon = 0.25> (a, scale, shift, mean, variance)
        r = Relu (h)
        y = BatchNormalization (r, shift, scale, variance, variance)
    }"""
    model = small_models.build(text, weights)
    first, second = find_batch_norms(onnx_ood.load(save(model)))
    x = small_models.normal(4, 3, 2, seed=5)
    a, h = ReferenceEvaluator(small_models.marked(model, ["a", "h"])).run(["a", "h"], {"x": x})
    assert (first.reads, second.reads) == ("a", "r")
    assert first.mean.dtype == first.variance.dtype == np.float64
    columns = (slice(None), np.newaxis)
    expected = (a - first.mean[columns]) / np.sqrt(first.variance[columns] + first.epsilon)
    expected = expected * weights["scale"][columns] + weights["shift"][columns]
    np.testing.assert_allclose(h, expected, rtol=1e-5, atol=1e-6)
    # The operator's default.
    assert second.epsilon == 1e-5
    np.testing.assert_array_equal(second.mean, weights["variance"].astype(np.float64))


def test_statistics_that_are_not_stored_are_left_out(save) -> None:
    text = """net (float[N, 3] x, float[3] m) => (float[N, 3] y) {
        h = BatchNormalization (x, s, s, m, s)
        g = BatchNormalization (h, s, s, s, m)
        y = BatchNormalization (g, s, s, s, s)
    }"""
    found = find_batch_norms(onnx_ood.load(save(small_models.build(text, {"s": np.ones(3, np.float32)}))))
    assert [one.reads for one in found] == ["g"]
