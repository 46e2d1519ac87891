"""Free energy against scipy, and closed forms."""

import numpy as np
import pytest
from detector_inputs import CLASSES, classifier, score
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from onnx_ood.detectors import Features


@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_it_is_that_of_scipy(seed: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (5, CLASSES))
    found = score("energy", classifier(0)[0], Features(logits=logits))
    np.testing.assert_allclose(found, -logsumexp(logits, axis=1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("level", [0.0, -800.0, 800.0])
def test_of_equal_logits_it_is_their_level_and_the_log_of_the_classes(level: float) -> None:
    (found,) = score("energy", classifier(0)[0], Features(logits=np.full((1, 10), level)))
    assert found == pytest.approx(-level - np.log(10), rel=1e-14)
