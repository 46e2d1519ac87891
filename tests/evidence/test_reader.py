"""Evidence against onnxruntime and numpy on a bundled network."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.detectors import AlteredReferences, Features, activity_profile, find_detector, list_detectors
from onnx_ood.evidence.perturbed import COPIES, SCALE
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.graph import load
from onnx_ood.perturb import draw
from onnx_ood.runtime import ChannelStatistics

COUNT = 6


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    images, _ = models.fashion_samples()
    return (images[:COUNT, np.newaxis] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def evidence(batch: np.ndarray) -> Features:
    needs = {need for detector in map(find_detector, list_detectors()) for need in detector.needs}
    return FeatureReader(load(models.path("fashion_cnn")), needs, provider="cpu").read(batch)


def _tensors(
    batch: np.ndarray,
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """ReLU outputs, BatchNormalization inputs, the pooled map, features and logits."""
    proto = onnx.load(models.path("fashion_cnn"))
    nodes = proto.graph.node
    relus = [node.output[0] for node in nodes if node.op_type == "Relu"]
    norms = [node.input[0] for node in nodes if node.op_type == "BatchNormalization"]
    pooled = next(node.input[0] for node in nodes if node.op_type == "GlobalAveragePool")
    features = next(node.input[0] for node in nodes if node.op_type == "Gemm")
    logits = proto.graph.output[0].name
    names = [*relus, *norms, pooled, features]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([*names, logits], {proto.graph.input[0].name: batch})
    a, b = len(relus), len(relus) + len(norms)
    return found[:a], found[a:b], *found[b:]


def test_everything_is_what_the_model_gives(batch: np.ndarray, evidence: Features) -> None:
    relus, norms, pooled, features, logits = _tensors(batch)
    close = {"rtol": 1e-4, "atol": 1e-5}
    assert evidence.logits is not None
    assert evidence.features is not None
    assert evidence.pooled is not None
    assert evidence.without_rank_1 is not None
    np.testing.assert_allclose(evidence.logits, logits, **close)
    np.testing.assert_allclose(evidence.features, features, **close)
    np.testing.assert_allclose(evidence.pooled.largest, pooled.max(axis=(2, 3)), **close)
    # The input is the first layer.
    layers = [
        ChannelStatistics(
            *(getattr(values, name)(axis=(2, 3)) for name in ("mean", "var", "max")),
            (values > 0).mean(axis=(2, 3)),
        )
        for values in (one.astype(np.float64) for one in (batch, *relus))
    ]
    np.testing.assert_allclose(evidence.activity, activity_profile(layers), rtol=1e-3, atol=1e-3)
    for found, values in zip(evidence.norms, norms, strict=True):
        np.testing.assert_allclose(found.mean, values.mean(axis=(2, 3)), **close)
        np.testing.assert_allclose(found.variance, values.var(axis=(2, 3)), rtol=1e-3, atol=1e-5)
    for one, means in zip(pooled, evidence.without_rank_1, strict=True):
        u, s, v = np.linalg.svd(one.reshape(len(one), -1), full_matrices=False)
        rest = ((u[:, 1:] * s[1:]) @ v[1:]).mean(axis=1)
        np.testing.assert_allclose(means, rest, rtol=1e-3, atol=1e-4)


def test_pairs_are_those_of_measure(batch: np.ndarray, evidence: Features) -> None:
    nudges = (draw("gaussian", batch.shape[1:], COPIES, 0) * SCALE).astype(np.float32)
    probes = [
        node.output[0] for node in onnx.load(models.path("fashion_cnn")).graph.node if node.op_type == "Relu"
    ]
    measured = onnx_ood.measure(
        models.path("fashion_cnn"), batch, nudges=nudges, probes=probes, provider="cpu"
    )
    np.testing.assert_allclose(evidence.drops, measured.cosine_drop().mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(evidence.flips, measured.flip_rate().mean(axis=1), rtol=1e-6)


def test_parts_join_to_the_whole(batch: np.ndarray, evidence: Features) -> None:
    parts = [evidence.rows(slice(0, 2)), evidence.rows([2]), evidence.rows(slice(3, COUNT))]
    assert [len(part) for part in parts] == [2, 1, 3]
    whole = Features.joined(parts)
    np.testing.assert_array_equal(whole.logits, evidence.logits)
    np.testing.assert_array_equal(whole.activity, evidence.activity)
    both = Features.joined(
        [Features(logits=whole.logits, altered=(AlteredReferences(whole, np.arange(COUNT)),))] * 2
    )
    assert len(both) == len(both.altered[0]) == 2 * COUNT
    assert len(Features.joined([])) == 0


def test_only_what_is_needed_is_measured(batch: np.ndarray) -> None:
    found = FeatureReader(load(models.path("fashion_cnn")), {"logits"}, provider="cpu").read(batch)
    assert found.logits is not None
    assert found.features is None
    assert found.activity is None
    assert found.drops is None
