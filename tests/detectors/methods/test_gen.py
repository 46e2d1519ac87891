"""Generalised entropy against its definition on scipy's probabilities."""

import numpy as np
from detector_inputs import CLASSES, classifier, score
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from onnx_ood.detectors import Features


@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_it_is_the_sum_of_its_terms(seed: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (5, CLASSES))
    shares = softmax(logits, axis=1)
    expected = (shares**0.1 * (1 - shares) ** 0.1).sum(axis=1)
    found = score("gen", classifier(0)[0], Features(logits=logits))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_only_the_hundred_largest_count() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (4, 300))
    shares = np.sort(softmax(logits, axis=1), axis=1)[:, ::-1][:, :100]
    expected = (shares**0.1 * (1 - shares) ** 0.1).sum(axis=1)
    found = score("gen", classifier(0)[0], Features(logits=logits))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
