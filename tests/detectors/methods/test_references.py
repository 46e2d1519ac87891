"""Detectors that learn from references, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from onnx_ood.detectors import Features, LinearHead, ModelInfo, find_detector, registered
from onnx_ood.detectors.activity_profile import activity_profile
from onnx_ood.detectors.methods.knn import neighbour
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.runtime import ChannelStatistics

CLASSES, FEATURES = 5, 30
NAMES = {"activity", "profile", "mahalanobis", "knn", "vim"}


def info() -> ModelInfo:
    rng = np.random.default_rng(99)
    head = LinearHead(rng.normal(size=(CLASSES, FEATURES)), rng.normal(size=CLASSES), rectified=False)
    return ModelInfo(False, head, True, (), ("a", "b"))


def evidence(seed: int, count: int, *, strange: float = 0) -> Features:
    """What was measured of inputs: strange ones are larger, sparser, and off the subspace of features."""
    rng = np.random.default_rng(seed)
    layers = []
    for channels in (4, 7):
        size = np.exp(rng.normal(strange, 0.2, (count, channels, 1)))
        maps = np.maximum(size * rng.normal(0.5 - strange / 4, 1, (count, channels, 16)), 0)
        layers.append(
            ChannelStatistics(maps.mean(axis=2), maps.var(axis=2), maps.max(axis=2), (maps > 0).mean(axis=2))
        )
    fixed = np.random.default_rng(7)
    centre, basis, shift = (
        fixed.normal(size=FEATURES),
        fixed.normal(size=(4, FEATURES)),
        fixed.normal(size=FEATURES),
    )
    features = centre + rng.normal(0, 0.3, (count, 4)) @ basis + rng.normal(0, 0.1, (count, FEATURES))
    return Features(
        features=features + strange * shift,
        layers=tuple(layers),
        drops=np.exp(rng.normal(-5 + strange, 0.5, (count, 3))),
        flips=rng.uniform(0, 0.1, (count, 3)) * (1 + strange),
    )


def score(name: str, reference: Features, inputs: Features) -> np.ndarray:
    detector = find_detector(name)
    assert detector.uses_reference
    assert detector.why_not(info()) is None
    return detector.fit(info(), reference)(inputs)


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("count", [10, 32, 100])
def test_strange_inputs_get_higher_scores(name: str, count: int) -> None:
    scores = score(name, evidence(0, count), evidence(1, 20))
    assert scores.shape == (20,)
    strange = score(name, evidence(0, count), evidence(2, 20, strange=1))
    assert np.median(strange) > np.quantile(scores, 0.9)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_score_depends_on_no_other_input(name: str) -> None:
    reference, inputs = evidence(0, 12), evidence(1, 6)
    together = score(name, reference, inputs)
    alone = [score(name, reference, inputs.rows([i]))[0] for i in range(6)]
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_they_are_the_ones_that_need_references() -> None:
    assert {name for name, detector in registered().items() if detector.requires_reference(info())} == NAMES
    nothing = ModelInfo(None, None, False, (), ())
    assert not [name for name in NAMES if find_detector(name).why_not(nothing) is None]


def test_the_activity_profile_is_that_of_loops() -> None:
    rng = np.random.default_rng(3)
    # Without a ReLU: the largest value of each channel is below 0, as it may be.
    below = -np.exp(rng.normal(0, 1, (6, 5, 9)))
    low = ChannelStatistics(below.mean(2), below.var(2), below.max(2), (below > 0).mean(2))
    layers = (*evidence(3, 6).layers, low)
    found = activity_profile(layers)
    assert found.shape == (6, 27)
    for i in range(6):
        expected = []
        for layer in layers:
            m, x, a = layer.mean[i], layer.largest[i], layer.active[i]
            s = [math.sqrt(variance) for variance in layer.variance[i]]
            rms = math.sqrt(sum(v * v for v in m) / len(m))
            spread = math.sqrt(sum(v * v for v in s) / len(s))
            expected += [
                math.log(math.hypot(rms, spread)),
                math.log(rms),
                math.log(spread / rms),
                math.log(math.sqrt(sum(v * v for v in x) / len(x)) / rms),
                math.log(max(abs(v) for v in x)),
                math.log(math.sqrt(sum((v - sum(m) / len(m)) ** 2 for v in m) / len(m)) / rms),
                math.log(math.sqrt(sum((v - sum(s) / len(s)) ** 2 for v in s) / len(s)) / spread),
                sum(a) / len(a),
                math.sqrt(sum((v - sum(a) / len(a)) ** 2 for v in a) / len(a)),
            ]
        np.testing.assert_allclose(found[i], expected, rtol=1e-6, atol=1e-6)


def test_a_profile_of_nothing_is_finite() -> None:
    """A dead layer, and one with a single place, whose channels have no variance."""
    dead = ChannelStatistics(*(np.zeros((2, 3)) for _ in range(4)))
    flat = ChannelStatistics(np.ones((2, 3)), np.zeros((2, 3)), np.ones((2, 3)), np.ones((2, 3)))
    assert np.isfinite(activity_profile((dead, flat))).all()


def test_activity_and_profile_are_distances_of_their_numbers() -> None:
    reference, inputs = evidence(4, 15), evidence(5, 8)
    expected = ShrunkGaussian(activity_profile(reference.layers), 0.5).distances(
        activity_profile(inputs.layers)
    )
    np.testing.assert_allclose(score("activity", reference, inputs), expected, rtol=1e-12)

    def logs(one: Features) -> np.ndarray:
        assert one.drops is not None
        assert one.flips is not None
        return np.array(
            [
                [math.log(v) for v in drops] + [math.log(v + 1e-5) for v in flips]
                for drops, flips in zip(one.drops, one.flips, strict=True)
            ]
        )

    expected = ShrunkGaussian(logs(reference), 0.2).distances(logs(inputs))
    np.testing.assert_allclose(score("profile", reference, inputs), expected, rtol=1e-9)


def test_mahalanobis_is_a_log_density_of_features() -> None:
    """The squared distance is twice the negative log density, relative to that at the mean."""
    reference, inputs = evidence(6, 50).features, evidence(7, 8).features
    assert reference is not None
    assert inputs is not None
    deviation = reference.std(axis=0, ddof=1)
    correlation = np.corrcoef(reference.T)
    shrunk = (0.9 * correlation + 0.1 * np.eye(FEATURES)) * np.outer(deviation, deviation)
    density = multivariate_normal(reference.mean(axis=0), shrunk)
    expected = np.sqrt(2 * (density.logpdf(reference.mean(axis=0)) - density.logpdf(inputs)))
    found = score("mahalanobis", Features(features=reference), Features(features=inputs))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(("count", "k"), [(10, 1), (32, 1), (2200, 2)])
def test_knn_is_the_distance_of_a_sorted_list(count: int, k: int) -> None:
    reference, inputs = evidence(8, count), evidence(9, 7)
    assert reference.features is not None
    assert inputs.features is not None
    expected = []
    for h in inputs.features:
        cosines = [h @ r / math.sqrt((h @ h) * (r @ r)) for r in reference.features]
        expected.append(sorted(math.sqrt(2 - 2 * cosine) for cosine in cosines)[k - 1])
    np.testing.assert_allclose(score("knn", reference, inputs), expected, rtol=1e-9)


def test_there_is_always_a_neighbour() -> None:
    """The paper's share of references."""
    assert [neighbour(n) for n in (1, 10, 72, 1000, 50_000)] == [1, 1, 1, 1, 50]


@pytest.mark.parametrize("count", [10, 32, 80])
def test_vim_is_a_logit_of_the_null_space(count: int) -> None:
    reference, inputs = evidence(10, count), evidence(11, 7)
    head = info().head
    assert head is not None
    assert reference.features is not None
    assert inputs.features is not None
    # The origin is where the logits, as far as features can move them, are 0.
    origin = np.linalg.lstsq(head.weight, -head.bias, rcond=None)[0]
    moved = reference.features - origin
    _, vectors = np.linalg.eigh(moved.T @ moved)
    left = null_space(vectors[:, -min(count // 4, FEATURES // 2) :].T)
    largest = [(head.weight @ h + head.bias).max() for h in reference.features]
    factor = np.mean(largest) / np.mean([np.linalg.norm(h @ left) for h in moved])
    expected = [
        factor * np.linalg.norm((h - origin) @ left) - logsumexp(head.weight @ h + head.bias)
        for h in inputs.features
    ]
    np.testing.assert_allclose(score("vim", reference, inputs), expected, rtol=1e-8)


def test_vim_finds_residuals_strange_where_logits_are_negative() -> None:
    """A constant that all logits share must not turn the score around."""
    head = info().head
    assert head is not None
    low = ModelInfo(False, LinearHead(head.weight, head.bias - 100, False), True, (), ())
    reference, features = evidence(12, 20), evidence(13, 1).features
    assert features is not None
    outside = null_space(head.weight)[:, 0]
    away = np.stack([features[0] + far * outside for far in (0, 20, 40)])
    scores = find_detector("vim").fit(low, reference)(Features(features=away))
    assert (np.diff(scores) > 0).all()
