"""Reliability against simulated truths, correlations against numpy, and the greedy choice by hand."""

from __future__ import annotations

import numpy as np

from onnx_ood.metrics.probe_choice import Choice, choose, correlations, reliability


def test_reliability_is_the_share_of_true_variance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20_000, 1))
    noise = np.array([0.1, 1.0, 3.0])
    copies = truth[:, :, np.newaxis] + rng.normal(size=(20_000, 3, 8)) * noise[:, np.newaxis]
    errors = copies.std(axis=2, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(reliability(copies.mean(axis=2), errors), 1 / (1 + noise**2 / 8), atol=0.02)
    # It is the squared correlation with the truth, too.
    squared = [np.corrcoef(truth[:, 0], copies.mean(axis=2)[:, p])[0, 1] ** 2 for p in range(3)]
    np.testing.assert_allclose(reliability(copies.mean(axis=2), errors), squared, atol=0.02)


def test_what_does_not_vary_is_not_reliable() -> None:
    np.testing.assert_array_equal(
        reliability([[1, 1, 1], [1, 2, 1]], [[0, 0, 1], [0, 0, 1]]),
        [0, 1, 0],
    )
    # The mean of 0.1s is another number than 0.1, by rounding.
    np.testing.assert_array_equal(reliability(np.full((7, 1), np.log10(0.1234)), np.zeros((7, 1))), [0])


def test_correlations_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).normal(size=(40, 6))
    values[:, 3] = -2 * values[:, 1] + 1e-3 * values[:, 3]
    np.testing.assert_allclose(correlations(values), np.abs(np.corrcoef(values.T)), atol=1e-12)
    values[:, 5] = 7
    assert not correlations(values)[5].any()


def test_the_choice_is_greedy() -> None:
    alike = np.array([[1, 0.9, 0.2, 0], [0.9, 1, 0.5, 0], [0.2, 0.5, 1, 0], [0, 0, 0, 1]])
    # First the one of 0.95; then 0.9 · (1 − 0.9) < 0.7 · (1 − 0.5); the last is out of the question.
    found = choose([0.9, 0.95, 0.7, 0.0], alike, 0.2)
    assert found == [Choice(1, None), Choice(2, 1)]
    assert choose([0.9, 0.95, 0.7, 0.0], alike, 0.05) == [Choice(1, None), Choice(2, 1), Choice(0, 1)]
    assert choose([0.0, 0.0], np.eye(2), 0.1) == []
