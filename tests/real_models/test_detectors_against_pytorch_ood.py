"""Detectors against pytorch-ood, on the logits, features and maps of a bundled network."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest

from onnx_ood import models
from onnx_ood.detectors import Features, LinearHead, ModelInfo, ShrunkGaussian, find_detector
from onnx_ood.detectors.methods import rmds
from onnx_ood.detectors.methods.knn import neighbour
from onnx_ood.detectors.methods.vim import dimension
from onnx_ood.graph import find_answer, find_linear_layer, load

pytestmark = pytest.mark.real
# Not installed by `make test-real`, because torch is large: `.venv/bin/python -m pip install torch pytorch-ood`.
torch = pytest.importorskip("torch", reason="torch is not installed, by `make test-real` neither: too large")
_package = importlib.util.find_spec("pytorch_ood")
if _package is None:
    pytest.skip("pytorch-ood is not installed", allow_module_level=True)
# Without its __init__.py, which imports data sets, and torchvision for them.
sys.modules["pytorch_ood"] = importlib.util.module_from_spec(_package)
theirs = importlib.import_module("pytorch_ood.detector")


@pytest.fixture(scope="module")
def found() -> tuple[ModelInfo, Features, np.ndarray]:
    """Outputs of fashion_resnet for garments and noise."""
    model = load(models.path("fashion_resnet"))
    answer = find_answer(model)
    assert answer is not None
    scores = answer.scores
    assert scores is not None
    layer = find_linear_layer(model, scores.name)
    assert layer is not None
    assert layer.pooled is not None
    proto = type(model.proto)()
    proto.CopyFrom(model.proto)
    for name in (layer.features, layer.pooled):
        proto.graph.output.add(name=name)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    images, _ = models.fashion_samples()
    noise = np.random.default_rng(0).random((20, 28, 28))
    batch = np.concatenate([images / 255, noise])[:, np.newaxis].astype(np.float32)
    logits, h, maps = session.run([scores.name, layer.features, layer.pooled], {model.inputs[0].name: batch})
    info = ModelInfo(False, LinearHead(layer.weight, layer.bias, layer.rectified), True, (), ())
    flat = maps.reshape(*maps.shape[:2], -1).astype(np.float64)
    u, s, v = np.linalg.svd(flat, full_matrices=False)
    removed = flat - s[:, :1, np.newaxis] * u[:, :, :1] @ v[:, :1]
    features = Features(
        logits=logits.astype(np.float64),
        features=h.astype(np.float64),
        without_rank_1=removed.mean(axis=2),
    )
    return info, features, maps


# Their probabilities are at least 1e-7: logits are scaled down.
BOUNDED = {"entropy", "gen"}


class Case(NamedTuple):
    """A network's head, and outputs for inputs as torch tensors."""

    info: ModelInfo
    logits: Any
    features: Any
    maps: Any


def _head(info: ModelInfo) -> Any:
    assert info.head is not None
    layer = torch.nn.Linear(*info.head.weight.shape[::-1]).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(info.head.weight))
        layer.bias.copy_(torch.from_numpy(info.head.bias))
    return layer


def _gen(case: Case) -> Any:
    # Theirs is a mean over classes, ours the sum, as in the paper.
    return theirs.GEN.score(case.logits, gamma=0.1, M=100) * case.logits.shape[1]


def _shaped(module: str, function: str, percentile: float) -> Callable[..., Any]:
    shape = getattr(importlib.import_module(f"pytorch_ood.detector.{module}"), function)

    def score(case: Case) -> Any:
        return theirs.EnergyBased.score(
            _head(case.info)(shape(case.features[:, :, None, None], percentile)[:, :, 0, 0])
        )

    return score


def _fdbd(case: Case) -> Any:
    detector = theirs.fDBD(None, _head(case.info).float())
    # With a training mean of 0 the distance from it is the norm.
    detector.fit_features(torch.zeros_like(case.features))
    return detector.predict_features(case.features)


def _nci(case: Case) -> Any:
    head, features = _head(case.info), case.features
    with torch.no_grad():
        head.weight -= head.weight.mean(dim=0)
    detector = theirs.NCI(None, head.float())
    detector.fit_features(torch.zeros_like(features))
    weight = head.weight
    cosines = torch.nn.functional.normalize(features.float()) @ torch.nn.functional.normalize(weight).T
    # Theirs leaves out the norm of the weight, which is the same for all inputs of a class.
    answer = head(features.float()).argmax(dim=1)
    norm = weight.norm(dim=1)[answer]
    agree = cosines.argmax(dim=1) == answer
    return torch.where(agree, detector.predict_features(features) / norm, torch.nan)


def _rank_feat(case: Case) -> Any:
    head = _head(case.info)
    detector = theirs.RankFeat(backbone=lambda x: x, head=lambda x: head(x.mean(dim=(2, 3))))
    return detector.predict(case.maps)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("msp", lambda case: 1 + theirs.MaxSoftmax.score(case.logits)),
        ("max_logit", lambda case: theirs.MaxLogit.score(case.logits)),
        ("energy", lambda case: theirs.EnergyBased.score(case.logits)),
        ("entropy", lambda case: theirs.Entropy.score(case.logits)),
        ("gen", _gen),
        ("ash", _shaped("ash", "ash_b", 0.9)),
        ("scale", _shaped("scale", "scale", 0.85)),
        ("fdbd", _fdbd),
        ("class_cosine", _nci),
        ("rank_feat", _rank_feat),
    ],
)
def test_scores_are_those_of_pytorch_ood(
    name: str, score: Callable[..., Any], found: tuple[ModelInfo, Features, np.ndarray]
) -> None:
    info, features, maps = found
    assert features.logits is not None
    assert features.features is not None
    if name in BOUNDED:
        features = replace(features, logits=features.logits * 14 / np.ptp(features.logits))
        assert features.logits is not None
    with torch.no_grad():
        given = map(torch.from_numpy, (features.logits, features.features, maps.astype(np.float64)))
        expected = score(Case(info, *given)).numpy()
    known = np.isfinite(expected)
    assert known.sum() > 20
    ours = find_detector(name).fit(info, None)(features)
    np.testing.assert_allclose(ours[known], expected[known], rtol=1e-5, atol=1e-6)


def test_grad_norm_is_that_of_autograd(found: tuple[ModelInfo, Features, np.ndarray]) -> None:
    info, features, _ = found
    head = _head(info)
    assert features.features is not None
    expected = []
    for h in torch.from_numpy(features.features):
        head.zero_grad()
        (-torch.log_softmax(head(h), dim=0).mean()).backward()
        expected.append(-float(head.weight.grad.abs().sum()))
    ours = find_detector("grad_norm").fit(info, None)(features)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Theirs computes in float32; an inverse or a small eigenvector leaves few of its digits."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    yield
    torch.set_default_dtype(before)


# Fewer references than the 64 features, and more.
@pytest.mark.parametrize("count", [20, 100])
@pytest.mark.parametrize("name", ["knn", "vim"])
@pytest.mark.usefixtures("in_double")
def test_detectors_with_references_are_those_of_pytorch_ood(
    name: str, count: int, found: tuple[ModelInfo, Features, np.ndarray]
) -> None:
    info, features, _ = found
    assert features.features is not None
    assert info.head is not None
    known = torch.from_numpy(features.features[:count])
    if name == "knn":
        pytest.importorskip(
            "sklearn", reason="theirs finds neighbours with scikit-learn, which is not installed"
        )
        detector = theirs.KNN(None, k=neighbour(count))
    else:
        head = map(torch.from_numpy, (info.head.weight, info.head.bias))
        detector = theirs.ViM(None, dimension(*known.shape), *head)
    detector.fit_features(known, torch.zeros(count, dtype=torch.int64))
    new = features.rows(slice(count, None))
    assert new.features is not None
    expected = detector.predict_features(torch.from_numpy(new.features)).numpy()
    ours = find_detector(name).fit(info, features.rows(slice(count)))(new)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.usefixtures("in_double")
def test_an_unshrunk_gaussian_is_that_of_pytorch_ood(found: tuple[ModelInfo, Features, np.ndarray]) -> None:
    features = found[1].features
    assert features is not None
    # Scaled up, which changes no Mahalanobis distance, so that the 1e-6 that theirs adds is negligible.
    known, new = 1e3 * features[:100], 1e3 * features[100:]
    detector = theirs.Mahalanobis(None)
    detector.fit_features(torch.from_numpy(known), torch.zeros(100, dtype=torch.int64))
    # Theirs is half the squared distance, with a sum instead of the covariance.
    squares = 2 * (100 - 1) * detector.predict_features(torch.from_numpy(new)).numpy()
    np.testing.assert_allclose(ShrunkGaussian(known, 0).distances(new), np.sqrt(squares), rtol=1e-6)


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize("name", ["react", "nnguide", "klm", "she", "rmds"])
def test_detectors_of_references_are_those_of_pytorch_ood(
    name: str, found: tuple[ModelInfo, Features, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class of a reference is the model's own prediction; RMDS is compared without shrinkage."""
    info, features, _ = found
    count = 150
    if name == "rmds":
        monkeypatch.setattr(rmds, "_SHRINKAGE", 0)
        # Scaled up, which changes no Mahalanobis distance, so that the 1e-6 that theirs adds is negligible.
        assert features.features is not None
        features = replace(features, features=1e3 * features.features)
    known, new = features.rows(slice(count)), features.rows(slice(count, None))
    assert known.features is not None
    assert known.logits is not None
    assert new.features is not None
    h, z, classes = map(torch.from_numpy, (known.features, known.logits, known.logits.argmax(axis=1)))
    inputs, factor, head = torch.from_numpy(new.features), 1, _head(info)
    with torch.no_grad():
        if name == "react":
            detector = theirs.ReAct(None, lambda maps: head(maps[:, :, 0, 0]))
            detector.fit_feature_maps(h[:, :, None, None], classes)
            expected = detector.predict_feature_maps(inputs[:, :, None, None])
        elif name == "klm":
            detector = theirs.KLMatching(None)
            detector.fit_logits(z)
            expected = detector.predict_logits(torch.from_numpy(new.logits))
        else:
            if name == "rmds":
                # Theirs has sums in place of covariances.
                detector, factor = theirs.RMD(None), count
            else:
                detector = (theirs.NNGuide if name == "nnguide" else theirs.SHE)(None, head)
            detector.fit_features(h, classes)
            expected = detector.predict_features(inputs)
    ours = find_detector(name).fit(info, known)(new)
    np.testing.assert_allclose(ours, factor * expected.numpy(), rtol=1e-6, atol=1e-9)
