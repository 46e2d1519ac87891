"""Class scores and linear layers of many exports against numpy."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from exports import EXPORTS, Export
from scipy.special import expit, log_softmax

import onnx_ood
from onnx_ood.detectors import Features, ModelInfo
from onnx_ood.evidence.reader import FeatureReader

_FOUND = [name for name, one in EXPORTS.items() if one.logits is not None]
_REFUSED = [name for name, one in EXPORTS.items() if one.logits is None]


def read(export: Export, save) -> tuple[ModelInfo, Features]:
    reader = FeatureReader(onnx_ood.load(save(export.build())), {"logits", "features"}, provider="cpu")
    return reader.info, reader.read(export.inputs)


def centred(logits: np.ndarray) -> np.ndarray:
    """Logits without the part that leaves probabilities as they are."""
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("name", _FOUND)
def test_class_scores_are_those_of_the_network(name: str, save) -> None:
    export = EXPORTS[name]
    info, features = read(export, save)
    assert info.no_scores == ""
    assert features.logits is not None
    if export.sigmoid:
        np.testing.assert_allclose(np.exp(features.logits), expit(export.logits), atol=export.tolerance / 4)
    else:
        np.testing.assert_allclose(centred(features.logits), centred(export.logits), atol=export.tolerance)


@pytest.mark.parametrize("name", _FOUND)
def test_the_linear_layer_is_that_of_the_network(name: str, save) -> None:
    export = EXPORTS[name]
    info, features = read(export, save)
    if export.features is None:
        assert info.head is None
        assert info.no_head
        return
    assert info.no_head == ""
    assert info.head is not None
    assert features.features is not None
    assert info.head.rectified
    np.testing.assert_allclose(info.head.weight, export.weight, atol=export.tolerance / 3)
    np.testing.assert_allclose(features.features, export.features, atol=export.tolerance / 3)
    scores = features.features @ info.head.weight.T + info.head.bias
    assert export.logits is not None
    np.testing.assert_allclose(centred(scores), centred(export.logits), atol=export.tolerance)


@pytest.mark.parametrize("name", _FOUND)
def test_predictions_are_those_of_the_runtime(name: str, save) -> None:
    """The largest of the runtime's own scores, or its own label; the probability within the rounding of the model."""
    export = EXPORTS[name]
    path = save(export.build())
    result = onnx_ood.score(path, export.inputs, detectors="msp", provider="cpu")
    assert len(result) == len(export.inputs)
    assert export.logits is not None
    expected = log_softmax(export.logits, axis=1)
    best, second = np.sort(expected, axis=1)[:, -1], np.sort(expected, axis=1)[:, -2]
    for entry in result.inputs:
        row = int(entry.id.removeprefix("inputs[").removesuffix("]"))
        if not export.predicted:
            assert entry.prediction is None
            continue
        assert entry.prediction is not None
        if best[row] - second[row] > 2 * export.tolerance:
            assert entry.prediction.index == expected[row].argmax()
        if entry.prediction.probability is not None:
            chance = expit(export.logits[row]).max() if export.sigmoid else np.exp(best[row])
            assert entry.prediction.probability == pytest.approx(chance, abs=max(export.tolerance, 1 / 64))


@pytest.mark.parametrize("name", _REFUSED)
def test_other_models_have_no_class_scores(name: str, save) -> None:
    export = EXPORTS[name]
    info = onnx_ood.detectors.find_feature_sources(onnx_ood.load(save(export.build()))).info
    assert info.probabilities is None
    assert info.head is None
    assert info.no_scores
    assert "\n" not in info.no_scores


@pytest.mark.parametrize("name", [name for name in EXPORTS if "another domain" not in name])
def test_the_runtime_takes_the_export(name: str, save) -> None:
    export = EXPORTS[name]
    session = onnxruntime.InferenceSession(save(export.build()), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": export.inputs})


def test_a_warning_says_why_there_is_no_linear_layer(save) -> None:
    export = EXPORTS["rectified before the pooling (SqueezeNet)"]
    path = save(export.build())
    result = onnx_ood.score(path, export.inputs, detectors="auto", bundled_reference=False, provider="cpu")
    assert (
        "The uncertainty term of auto is used without its class cosine: Relu computes 'r', not a linear layer."
        in (result.notes)
    )
