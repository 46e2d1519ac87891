"""The uncertainty beyond blanks, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnx_ood.detectors import Features, LinearHead, ModelInfo, find_detector
from onnx_ood.detectors.methods.baseline_inputs import uncertainty_above_baseline

WEIGHT = np.random.default_rng(0).normal(size=(4, 6))
INFO = ModelInfo(False, LinearHead(WEIGHT, np.full(4, 0.5), True), True, (), ())


def made(count: int, seed: int) -> Features:
    features = 3 * np.abs(np.random.default_rng(seed).normal(size=(count, 6)))
    return Features(logits=features @ WEIGHT.T + 0.5, features=features)


def by_hand(logits: np.ndarray, features: np.ndarray) -> float:
    """The uncertainty of one input."""
    shares = np.exp(logits) / np.exp(logits).sum()
    directions = WEIGHT - WEIGHT.mean(axis=0)
    cosines = [way @ features / np.sqrt(way @ way) / np.sqrt(features @ features) for way in directions]
    return float(np.log(np.sum((shares * (1 - shares)) ** 0.1)) + np.log(1 - max(cosines)))


def test_it_is_the_doubt_of_the_answer_and_of_what_is_left_of_it() -> None:
    inputs, blanks = made(5, 1), made(3, 2)
    assert inputs.logits is not None
    assert inputs.features is not None
    assert blanks.logits is not None
    assert blanks.features is not None
    expected = [
        by_hand(z, h)
        + max(by_hand(z - b, h - g) for b, g in zip(blanks.logits, blanks.features, strict=True))
        for z, h in zip(inputs.logits, inputs.features, strict=True)
    ]
    scores = uncertainty_above_baseline(INFO, blanks)(inputs)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    auto = find_detector("auto")
    np.testing.assert_array_equal(auto.fit(replace(INFO, baseline=blanks), None)(inputs), scores)
    assert not np.array_equal(auto.fit(INFO, None)(inputs), scores)


def test_a_sure_answer_that_a_blank_gets_too_is_doubted() -> None:
    blank = Features(logits=np.array([[9.0, 0, 0, 0]]))
    headless = replace(INFO, head=None)
    same, other = uncertainty_above_baseline(headless, blank)(
        Features(logits=np.array([[9.1, 0, 0, 0], [0, 9.1, 0, 0]]))
    )
    assert same > other + 0.5


def test_blanks_that_the_model_gives_no_number_for_are_left_out() -> None:
    inputs, blanks = made(5, 1), made(3, 2)
    assert blanks.logits is not None
    broken = replace(blanks, logits=np.where([[False], [True], [False]], np.nan, blanks.logits))
    np.testing.assert_array_equal(
        uncertainty_above_baseline(INFO, broken)(inputs),
        uncertainty_above_baseline(INFO, blanks.rows([0, 2]))(inputs),
    )
    elsewhere = replace(blanks, drops=np.full((3, 2), np.nan))
    np.testing.assert_array_equal(
        uncertainty_above_baseline(INFO, elsewhere)(inputs),
        uncertainty_above_baseline(INFO, blanks)(inputs),
    )
    plain = find_detector("uncertainty").fit(INFO, None)(inputs)
    nothing = uncertainty_above_baseline(INFO, broken.rows([1]))(inputs)
    np.testing.assert_allclose(nothing, 2 * plain, rtol=1e-12)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_blank_that_adds_nothing_changes_no_order(seed: int) -> None:
    inputs = made(30, seed)
    zero = Features(logits=np.zeros((1, 4)), features=np.zeros((1, 6)))
    np.testing.assert_allclose(
        uncertainty_above_baseline(INFO, zero)(inputs),
        2 * find_detector("uncertainty").fit(INFO, None)(inputs),
        rtol=1e-12,
    )
