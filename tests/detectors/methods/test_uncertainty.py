"""Uncertainty, and uncertainty above baseline inputs, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from onnx_ood.detectors import Features, LinearHead, ModelInfo, find_detector
from onnx_ood.detectors.methods.uncertainty import uncertainty_above_baseline

WEIGHT = np.random.default_rng(0).normal(size=(4, 6))
INFO = ModelInfo(False, LinearHead(WEIGHT, np.full(4, 0.5), True), True, (), ())


def made(count: int, seed: int) -> Features:
    features = 3 * np.abs(np.random.default_rng(seed).normal(size=(count, 6)))
    return Features(logits=features @ WEIGHT.T + 0.5, features=features)


def by_loops(logits: np.ndarray, features: np.ndarray) -> float:
    """The uncertainty of one input."""
    shares = np.exp(logits) / np.exp(logits).sum()
    directions = WEIGHT - WEIGHT.mean(axis=0)
    cosines = [w @ features / np.sqrt(w @ w) / np.sqrt(features @ features) for w in directions]
    return float(np.log(np.sum((shares * (1 - shares)) ** 0.1)) + np.log(1 - max(cosines)))


def test_uncertainty_is_the_product_of_entropy_and_angle() -> None:
    inputs = made(6, 5)
    expected = [by_loops(z, h) for z, h in zip(inputs.logits, inputs.features, strict=True)]
    np.testing.assert_allclose(find_detector("uncertainty").fit(INFO, None)(inputs), expected, rtol=1e-5)


def test_without_a_linear_head_it_is_the_log_of_the_entropy() -> None:
    inputs = made(6, 5)
    shares = softmax(inputs.logits, axis=1)
    expected = np.log(((shares * (1 - shares)) ** 0.1).sum(axis=1))
    found = find_detector("uncertainty").fit(replace(INFO, head=None), None)(Features(logits=inputs.logits))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_it_adds_the_uncertainty_of_the_difference_from_baseline_inputs() -> None:
    inputs, baseline = made(5, 1), made(3, 2)
    expected = [
        by_loops(z, h)
        + max(by_loops(z - b, h - g) for b, g in zip(baseline.logits, baseline.features, strict=True))
        for z, h in zip(inputs.logits, inputs.features, strict=True)
    ]
    scores = uncertainty_above_baseline(INFO, baseline)(inputs)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    auto = find_detector("auto")
    np.testing.assert_array_equal(auto.fit(replace(INFO, baseline=baseline), None)(inputs), scores)
    assert not np.array_equal(auto.fit(INFO, None)(inputs), scores)


def test_a_confident_prediction_of_the_baseline_class_is_uncertain() -> None:
    confident = Features(logits=np.array([[9.0, 0, 0, 0]]))
    headless = replace(INFO, head=None)
    same, other = uncertainty_above_baseline(headless, confident)(
        Features(logits=np.array([[9.1, 0, 0, 0], [0, 9.1, 0, 0]]))
    )
    assert same > other + 0.5


def test_baseline_inputs_that_are_not_finite_are_left_out() -> None:
    inputs, baseline = made(5, 1), made(3, 2)
    broken = replace(baseline, logits=np.where([[False], [True], [False]], np.nan, baseline.logits))
    np.testing.assert_array_equal(
        uncertainty_above_baseline(INFO, broken)(inputs),
        uncertainty_above_baseline(INFO, baseline.rows([0, 2]))(inputs),
    )
    elsewhere = replace(baseline, drops=np.full((3, 2), np.nan))
    np.testing.assert_array_equal(
        uncertainty_above_baseline(INFO, elsewhere)(inputs),
        uncertainty_above_baseline(INFO, baseline)(inputs),
    )
    plain = find_detector("uncertainty").fit(INFO, None)(inputs)
    nothing = uncertainty_above_baseline(INFO, broken.rows([1]))(inputs)
    np.testing.assert_allclose(nothing, 2 * plain, rtol=1e-12)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_baseline_of_zeros_doubles_the_uncertainty(seed: int) -> None:
    inputs = made(30, seed)
    zero = Features(logits=np.zeros((1, 4)), features=np.zeros((1, 6)))
    np.testing.assert_allclose(
        uncertainty_above_baseline(INFO, zero)(inputs),
        2 * find_detector("uncertainty").fit(INFO, None)(inputs),
        rtol=1e-12,
    )
