"""Predictions against scipy's softmax."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from onnx_ood.audits._common.predictions import read_answers, why_unread
from onnx_ood.graph import Answer

LOGITS = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32) * 3
ROW = Answer("y")


@pytest.mark.parametrize("kind", ["unknown", "logits"])
def test_probabilities_of_logits_are_their_softmax(kind) -> None:
    found = read_answers({"z": np.zeros((4, 1)), "y": LOGITS}, Answer("y", None, kind))
    assert found is not None
    expected = softmax(LOGITS.astype(np.float64), axis=1)
    np.testing.assert_array_equal(found.position, LOGITS.argmax(1))
    np.testing.assert_array_equal(found.value, LOGITS.max(1))
    np.testing.assert_allclose(found.probability, expected.max(1), rtol=1e-12)


def test_probabilities_are_those_of_the_scores() -> None:
    wide = LOGITS.astype(np.float64)
    for values, kind in (
        (softmax(wide, axis=1), "unknown"),
        (softmax(wide, axis=1), "distribution"),
        (log_softmax(wide, axis=1), "log_probabilities"),
    ):
        found = read_answers({"y": values.reshape(4, 1, 5, 1)}, Answer("y", None, kind))
        assert found is not None
        np.testing.assert_allclose(found.probability, softmax(wide, axis=1).max(1), rtol=1e-12)
    found = read_answers({"y": expit(wide)}, Answer("y", None, "independent"))
    assert found is not None
    np.testing.assert_array_equal(found.probability, expit(wide).max(1))


def test_names_belong_to_as_many_classes() -> None:
    found = read_answers({"y": LOGITS}, ROW)
    assert found is not None
    assert found.prediction(1, list("abcde")).label == "abcde"[int(LOGITS[1].argmax())]
    assert found.prediction(1, list("abcd")).label is None
    assert found.prediction(1, None).index == LOGITS[1].argmax()


def test_labels_are_the_answer_and_scores_their_values() -> None:
    labels = np.array(["b", "a", "c", "b"], dtype=object)
    scores = softmax(LOGITS[:, :3].astype(np.float64), axis=1)
    found = read_answers(
        {"label": labels, "p": scores}, Answer("p", "label", "distribution", None, ("a", "b", "c"))
    )
    assert found is not None
    np.testing.assert_array_equal(found.position, [1, 0, 2, 1])
    np.testing.assert_array_equal(found.probability, scores[np.arange(4), [1, 0, 2, 1]])
    assert (found.prediction(0, None).label, found.prediction(0, None).own_label) == ("b", True)
    alone = read_answers({"label": labels}, Answer(None, "label"))
    assert alone is not None
    prediction = alone.prediction(2, None)
    assert (prediction.index, prediction.label, prediction.value) == (None, "c", None)
    assert prediction.agrees(found.prediction(2, None))
    assert not prediction.agrees(found.prediction(1, None))


def test_integer_labels_are_indices_unless_the_classes_are_other_numbers() -> None:
    labels = np.array([[2], [0]])
    found = read_answers({"label": labels}, Answer(None, "label"))
    assert found is not None
    assert [found.prediction(i, None).index for i in (0, 1)] == [2, 0]
    assert found.prediction(0, None).label is None
    found = read_answers({"label": labels}, Answer(None, "label", classes=(0, 2)))
    assert found is not None
    assert (found.prediction(0, None).index, found.prediction(0, None).label) == (1, "2")


def test_an_output_that_is_not_finite_has_no_probability() -> None:
    logits = LOGITS.copy()
    logits[2, 1] = np.nan
    logits[3, 0] = np.inf
    found = read_answers({"y": logits}, ROW)
    assert found is not None
    np.testing.assert_array_equal(np.isnan(found.probability), [False, False, True, True])
    assert found.prediction(2, None).probability is None


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (np.zeros((4, 3, 3)), r"shape \[3, 3\]"),
        (np.zeros((4, 1)), r"shape \[1\]"),
        (np.zeros((4, 5), int), "int64"),
        (np.array([None] * 4), r"shape \[\]"),
    ],
    ids=str,
)
def test_other_outputs_are_no_answers(values: np.ndarray, shape: str) -> None:
    assert read_answers({"y": values}, ROW) is None
    with pytest.raises(AssertionError, match=shape):
        raise AssertionError(why_unread({"y": values}, ROW))
    assert read_answers({}, ROW) is None
    assert read_answers({"y": LOGITS}, None) is None
