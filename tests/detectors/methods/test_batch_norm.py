"""Divergence from running statistics, against numerical integration and pooled moments."""

import numpy as np
import pytest
from detector_inputs import NOTHING
from scipy.stats import norm

from onnx_ood.detectors import Features, ModelInfo, RunningStatistics, collection_distance, find_detector
from onnx_ood.runtime import ChannelStatistics


def test_it_is_the_divergence_of_gaussians() -> None:
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


def test_a_constant_channel_is_not_infinitely_far() -> None:
    """Its variance counts as a millionth of the running one: KL = ½·(1e-6 − 1 + 6·log 10)."""
    info = ModelInfo(None, None, False, (RunningStatistics("x", np.zeros(1), np.ones(1), 0.0),), ())
    flat = ChannelStatistics(*(np.zeros((1, 1)) for _ in range(4)))
    (found,) = find_detector("batch_norm").fit(info, None)(Features(norms=(flat,)))
    assert found == pytest.approx(np.log(0.5 * (1e-6 - 1 + 6 * np.log(10))), rel=1e-12)


def test_a_collection_has_the_moments_of_all_its_positions() -> None:
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
        positions = values[rows].transpose(1, 0, 2).reshape(1, 3, -1)
        whole = ChannelStatistics(positions.mean(axis=2), positions.var(axis=2), none[:1], none[:1])
        assert distance == pytest.approx(scorer(Features(norms=(whole,)))[0])


def test_it_needs_batch_normalization() -> None:
    assert "BatchNormalization" in find_detector("batch_norm").why_not(NOTHING)
