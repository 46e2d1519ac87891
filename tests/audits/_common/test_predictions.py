"""Predictions against scipy's softmax."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from onnx_ood.audits._common.predictions import read_answers

LOGITS = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32) * 3


def test_probabilities_are_the_softmax_unless_the_output_has_one() -> None:
    found = read_answers({"y": LOGITS, "z": np.zeros((4, 1))})
    assert found is not None
    expected = softmax(LOGITS.astype(np.float64), axis=1)
    np.testing.assert_array_equal(found.position, LOGITS.argmax(1))
    np.testing.assert_array_equal(found.value, LOGITS.max(1))
    np.testing.assert_allclose(found.probability, expected.max(1), rtol=1e-12)
    again = read_answers({"y": expected.reshape(4, 1, 5)})
    assert again is not None
    np.testing.assert_allclose(again.probability, expected.max(1), rtol=1e-12)


def test_names_belong_to_as_many_classes() -> None:
    found = read_answers({"y": LOGITS})
    assert found is not None
    assert found.prediction(1, list("abcde")).label == "abcde"[int(LOGITS[1].argmax())]
    assert found.prediction(1, list("abcd")).label is None
    assert found.prediction(1, None).index == LOGITS[1].argmax()


def test_an_output_that_is_not_finite_has_no_probability() -> None:
    logits = LOGITS.copy()
    logits[2, 1] = np.nan
    logits[3, 0] = np.inf
    found = read_answers({"y": logits})
    assert found is not None
    np.testing.assert_array_equal(np.isnan(found.probability), [False, False, True, True])
    assert found.prediction(2, None).probability is None


@pytest.mark.parametrize(
    "values", [np.zeros((4, 3, 3)), np.zeros((4, 1)), np.zeros((4, 5), int), np.array([None] * 4)], ids=str
)
def test_other_outputs_are_no_answers(values: np.ndarray) -> None:
    assert read_answers({"y": values}) is None
    assert read_answers({}) is None
