"""Where features are read, on models whose parts are known from their construction."""

import numpy as np
import onnx
import pytest
import small_models

from onnx_ood import load
from onnx_ood.detectors import find_feature_sources


def test_the_parts_of_a_classifier(save) -> None:
    proto = small_models.classifier()
    found = find_feature_sources(load(save(proto)))
    assert (found.scores, found.features, found.pooled) == ("logits", "flat", "relu2")
    info = found.info
    assert (info.probabilities, info.pooled, info.layers, info.norms) == (False, True, ("relu1", "relu2"), ())
    weights = {one.name: one for one in proto.graph.initializer}
    np.testing.assert_array_equal(info.head.weight, onnx.numpy_helper.to_array(weights["w3"]))
    assert info.head.weight.dtype == np.float64
    assert info.head.rectified


@pytest.mark.parametrize(
    ("text", "weights", "expected"),
    [
        # Neither a softmax nor a linear layer: features, no class scores.
        ("f (float[N, 4] x) => (float[N, 4] y) { y = Relu (x) }", {}, (None, None, ("y",))),
        # One number per input is no vector of class scores; without activation functions, layers have weights.
        (
            "r (float[N, 4] x) => (float[N, 1] y) { h = MatMul (x, w)\n y = MatMul (h, v) }",
            {"w": np.ones((4, 4), np.float32), "v": np.ones((4, 1), np.float32)},
            (None, None, ("h", "y")),
        ),
    ],
)
def test_models_without_a_linear_head(save, text, weights, expected) -> None:
    info = find_feature_sources(load(save(small_models.build(text, weights)))).info
    assert (info.probabilities, info.head, info.layers) == expected


def test_logits_are_read_before_a_softmax(save) -> None:
    proto = small_models.build(
        "p (float[N, 4] x) => (float[N, 3] y) { r = Relu (x)\n h = MatMul (r, w)\n y = Softmax (h) }",
        {"w": np.ones((4, 3), np.float32)},
    )
    found = find_feature_sources(load(save(proto)))
    assert (found.scores, found.features, found.pooled) == ("h", "r", None)
    assert (found.info.probabilities, found.info.pooled) == (False, False)
    np.testing.assert_array_equal(found.info.head.weight, np.ones((3, 4)))
    np.testing.assert_array_equal(found.info.head.bias, np.zeros(3))


def test_running_statistics_are_those_of_the_nodes(save) -> None:
    rng = np.random.default_rng(1)
    mean, variance = rng.normal(size=3).astype(np.float32), rng.uniform(1, 2, 3).astype(np.float32)
    proto = small_models.build(
        """b (float[N, 3, 4, 4] x) => (float[N, 3, 4, 4] y) {
            r = Relu (x)
            h = BatchNormalization <epsilon = 0.25> (r, s, o, m, v)
            y = Relu (h)
        }""",
        {"s": np.ones(3, np.float32), "o": np.zeros(3, np.float32), "m": mean, "v": variance},
    )
    found = find_feature_sources(load(save(proto)))
    (norm,) = found.info.norms
    assert (norm.name, norm.epsilon, found.norms) == ("r", 0.25, ("r",))
    np.testing.assert_array_equal(norm.mean, mean)
    np.testing.assert_array_equal(norm.variance, variance)


def test_without_a_batch_axis_several_rows_are_no_class_scores(save) -> None:
    text = "g (float[nodes, 4] x) => (float[nodes, 3] y) { r = Relu (x)\n y = MatMul (r, w) }"
    model = load(save(small_models.build(text, {"w": np.ones((4, 3), np.float32)})))
    assert find_feature_sources(model).scores == "y"
    found = find_feature_sources(model, batched=False)
    assert (found.scores, found.info.probabilities, found.info.head) == (None, None, None)
    assert "several rows" in found.info.no_scores
