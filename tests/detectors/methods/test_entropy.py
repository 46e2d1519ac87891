"""Entropy against scipy, and closed forms."""

import numpy as np
import pytest
from detector_inputs import CLASSES, classifier, score
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from onnx_ood.detectors import Features


@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_it_is_that_of_scipy(seed: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (5, CLASSES))
    found = score("entropy", classifier(0)[0], Features(logits=logits))
    np.testing.assert_allclose(found, entropy(softmax(logits, axis=1), axis=1), rtol=1e-9, atol=1e-12)


def test_it_is_from_0_to_the_log_of_the_classes() -> None:
    certain, even = np.zeros((1, 8)), np.zeros((1, 8))
    certain[0, 3] = 2000
    low, high = score("entropy", classifier(0)[0], Features(logits=np.concatenate([certain, even])))
    assert low == 0
    assert high == pytest.approx(np.log(8), rel=1e-14)
