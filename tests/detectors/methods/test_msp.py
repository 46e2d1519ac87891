"""Maximum softmax probability against scipy."""

import numpy as np
from detector_inputs import CLASSES, classifier, score
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from onnx_ood.detectors import Features


@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_it_is_one_minus_the_largest_probability(seed: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (5, CLASSES))
    expected = 1 - softmax(logits, axis=1).max(axis=1)
    found = score("msp", classifier(0)[0], Features(logits=logits))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
