"""Detectors that read outputs and features, against scipy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import entropy, norm

from onnx_ood.detectors import (
    Detector,
    Features,
    LinearHead,
    ModelInfo,
    RunningStatistics,
    collection_distance,
    find_detector,
    register,
    registered,
)
from onnx_ood.exceptions import UsageError
from onnx_ood.runtime import ChannelStatistics

CLASSES, FEATURES = 7, 40


def made(seed: int, *, rectified: bool = True) -> tuple[ModelInfo, Features]:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(CLASSES, FEATURES)), rng.normal(size=CLASSES)
    maps = rng.normal(0.3, 1, (9, FEATURES, 12))
    maps = np.maximum(maps, 0) if rectified else maps
    features = maps.mean(axis=2)
    removed = []
    for one in maps:
        u, s, v = np.linalg.svd(one, full_matrices=False)
        removed.append((one - s[0] * np.outer(u[:, 0], v[0])).mean(axis=1))
    info = ModelInfo(False, LinearHead(weight, bias, rectified), True, (), ())
    pooled = ChannelStatistics(maps.mean(2), maps.var(2), maps.max(2), (maps > 0).mean(2))
    return info, Features(
        logits=features @ weight.T + bias, features=features, without_rank_1=np.stack(removed), pooled=pooled
    )


def score(name: str, info: ModelInfo, evidence: Features) -> np.ndarray:
    detector = find_detector(name)
    assert detector.why_not(info) is None
    return detector.fit(info, None)(evidence)


@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_scores_of_logits_are_those_of_scipy(seed: int, scale: float) -> None:
    info, _ = made(0)
    logits = np.random.default_rng(seed).normal(0, scale, (5, CLASSES))
    evidence = Features(logits=logits)
    shares = softmax(logits, axis=1)
    expected = {
        "msp": 1 - shares.max(axis=1),
        "max_logit": -logits.max(axis=1),
        "energy": -logsumexp(logits, axis=1),
        "entropy": entropy(shares, axis=1),
        "gen": (shares**0.1 * (1 - shares) ** 0.1).sum(axis=1),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(score(name, info, evidence), values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_gen_takes_the_hundred_largest() -> None:
    info, _ = made(0)
    logits = np.random.default_rng(1).normal(0, 3, (4, 300))
    shares = np.sort(softmax(logits, axis=1), axis=1)[:, ::-1][:, :100]
    expected = (shares**0.1 * (1 - shares) ** 0.1).sum(axis=1)
    np.testing.assert_allclose(score("gen", info, Features(logits=logits)), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_shaped_features_give_the_energy_of_plain_loops(seed: int) -> None:
    info, evidence = made(seed)
    head = info.head
    assert head is not None
    assert evidence.features is not None
    binarised, scaled = [], []
    for h in evidence.features:
        order = np.argsort(h)[::-1]
        ten, fifteen = order[: FEATURES // 10], order[: FEATURES * 15 // 100]
        binary = np.zeros(FEATURES)
        binary[ten] = h.sum() / len(ten)
        binarised.append(-logsumexp(head.weight @ binary + head.bias))
        scaled.append(-logsumexp(head.weight @ (h * np.exp(h.sum() / h[fifteen].sum())) + head.bias))
    np.testing.assert_allclose(score("ash", info, evidence), binarised, rtol=1e-9)
    np.testing.assert_allclose(score("scale", info, evidence), scaled, rtol=1e-9)


def test_grad_norm_is_the_gradient_by_differences() -> None:
    info, evidence = made(4)
    head = info.head
    assert head is not None
    assert evidence.features is not None

    def loss(weight: np.ndarray, h: np.ndarray) -> float:
        z = weight @ h + head.bias
        return float((logsumexp(z) - z).mean())

    h, step = evidence.features[0], 1e-6
    total = 0.0
    for index in np.ndindex(head.weight.shape):
        nudge = np.zeros_like(head.weight)
        nudge[index] = step
        total += abs(loss(head.weight + nudge, h) - loss(head.weight - nudge, h)) / (2 * step)
    np.testing.assert_allclose(score("grad_norm", info, evidence)[0], -total, rtol=1e-6)


def test_fdbd_is_the_mean_distance_to_boundaries() -> None:
    """The distance to a boundary is how far the features have to move straight to it."""
    info, evidence = made(5)
    head = info.head
    assert head is not None
    assert evidence.features is not None
    expected = []
    for h in evidence.features:
        z = head.weight @ h + head.bias
        first = int(z.argmax())
        distances = []
        for other in set(range(CLASSES)) - {first}:
            normal = head.weight[first] - head.weight[other]
            moved = h - normal * (z[first] - z[other]) / (normal @ normal)
            there = head.weight @ moved + head.bias
            assert abs(there[first] - there[other]) < 1e-9
            distances.append(np.linalg.norm(moved - h))
        expected.append(-np.mean(distances) / np.linalg.norm(h))
    np.testing.assert_allclose(score("fdbd", info, evidence), expected, rtol=1e-9)


def test_head_angle_is_a_cosine() -> None:
    info, evidence = made(6)
    head = info.head
    assert head is not None
    centred = LinearHead(head.weight - head.weight.mean(axis=0), head.bias, rectified=True)
    at_weights = Features(features=3 * centred.weight)
    np.testing.assert_allclose(score("class_cosine", info, at_weights), -1, rtol=1e-12)
    # It depends on neither the length of features nor a vector that all classes share.
    moved = ModelInfo(False, LinearHead(head.weight + 5, head.bias, True), True, (), ())
    assert evidence.features is not None
    longer = Features(features=7 * evidence.features)
    np.testing.assert_allclose(
        score("class_cosine", moved, longer), score("class_cosine", info, evidence), rtol=1e-9
    )


def test_rank_feat_feature_norm_and_activation_prior() -> None:
    info, evidence = made(7)
    head = info.head
    assert head is not None
    assert evidence.features is not None
    assert evidence.pooled is not None
    assert evidence.without_rank_1 is not None
    energy = [-logsumexp(head.weight @ h + head.bias) for h in evidence.without_rank_1]
    np.testing.assert_allclose(score("rank_feat", info, evidence), energy, rtol=1e-9)
    norms = [-np.sqrt((h**2).sum()) for h in evidence.features]
    np.testing.assert_allclose(score("feature_norm", info, evidence), norms, rtol=1e-12)
    ratios = [
        -np.mean([peak / (mean + 1e-3) for peak, mean in zip(peaks, means, strict=True)])
        for peaks, means in zip(evidence.pooled.largest, evidence.pooled.mean, strict=True)
    ]
    np.testing.assert_allclose(score("activation_prior", info, evidence), ratios, rtol=1e-12)


def test_batch_norm_is_the_divergence_of_gaussians() -> None:
    """Against the divergence by numerical integration."""
    rng = np.random.default_rng(8)
    running = RunningStatistics("x", rng.normal(size=3), rng.uniform(0.5, 2, 3), 1e-5)
    info = ModelInfo(None, None, False, (running,), ())
    found = ChannelStatistics(
        rng.normal(size=(2, 3)), rng.uniform(0.5, 2, (2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    )
    line = np.linspace(-25, 25, 200_001)
    expected = []
    for i in range(2):
        each = []
        for c in range(3):
            p = norm(found.mean[i, c], np.sqrt(found.variance[i, c]))
            q = norm(running.mean[c], np.sqrt(running.variance[c] + running.epsilon))
            each.append(np.trapezoid(p.pdf(line) * (p.logpdf(line) - q.logpdf(line)), line))
        expected.append(np.log(np.mean(each)))
    scores = find_detector("batch_norm").fit(info, None)(Features(norms=(found,)))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_a_collection_has_the_moments_of_all_its_places() -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(rng.normal(size=(4, 3, 1)), 1, (4, 3, 50))
    none = np.zeros((4, 3))
    found = ChannelStatistics(values.mean(axis=2), values.var(axis=2), none, none)
    running = RunningStatistics("x", rng.normal(size=3), rng.uniform(0.5, 2, 3), 1e-5)
    info = ModelInfo(None, None, False, (running,), ())
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1]]) / 4
    distances = collection_distance((found,), info, weights)
    scorer = find_detector("batch_norm").fit(info, None)
    for rows, distance in zip(([0, 1, 2, 3], [1, 1, 2, 3]), distances, strict=True):
        places = values[rows].transpose(1, 0, 2).reshape(1, 3, -1)
        whole = ChannelStatistics(places.mean(axis=2), places.var(axis=2), none[:1], none[:1])
        assert distance == pytest.approx(scorer(Features(norms=(whole,)))[0])


@pytest.mark.parametrize(
    ("info", "names"),
    [
        (ModelInfo(None, None, False, (), ()), set()),
        (ModelInfo(True, None, False, (), ()), {"msp", "entropy", "gen", "uncertainty", "jacobian_norm"}),
        (
            ModelInfo(False, None, False, (), ()),
            {"msp", "entropy", "gen", "uncertainty", "max_logit", "energy", "jacobian_norm"},
        ),
        (
            ModelInfo(None, None, False, (), ("layer",)),
            {
                "cosine_drop",
                "distortion",
                "flip_rate",
                "transition_density",
                "jacobian_norm",
                "spectral_ratio",
            },
        ),
    ],
)
def test_a_model_has_the_detectors_that_fit_it(info: ModelInfo, names: set[str]) -> None:
    fitting = {
        name
        for name, detector in registered().items()
        if name != "auto" and not detector.uses_reference and detector.why_not(info) is None
    }
    assert fitting == names
    for name, detector in registered().items():
        reason = detector.why_not(info)
        assert reason is None or (reason and not reason.endswith(".")), name


def test_shaping_is_refused_where_features_are_negative() -> None:
    info, _ = made(0, rectified=False)
    for name in ("ash", "scale"):
        assert "negative" in (find_detector(name).why_not(info) or "")
    assert find_detector("fdbd").why_not(info) is None


def test_names_are_taken_once() -> None:
    taken = find_detector("energy")
    with pytest.raises(ValueError, match="'energy'"):
        register(taken)
    assert find_detector("energy") is taken
    assert isinstance(taken, Detector)
    with pytest.raises(UsageError, match=r"no detector 'enrgy'.*energy"):
        find_detector("enrgy")
