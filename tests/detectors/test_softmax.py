"""Softmax and log-sum-exp against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from onnx_ood.detectors.softmax import log_sum_exp, softmax


@given(st.integers(0, 1000), st.floats(0.1, 300), st.sampled_from([(4,), (3, 7), (2, 3, 5)]))
def test_they_are_those_of_scipy(seed: int, scale: float, shape: tuple[int, ...]) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, shape)
    np.testing.assert_allclose(softmax(logits), special.softmax(logits, axis=-1), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(
        log_sum_exp(logits), special.logsumexp(logits, axis=-1), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("level", [-1e4, 1e4])
def test_large_logits_do_not_overflow(level: float) -> None:
    logits = np.array([level, level])
    np.testing.assert_array_equal(softmax(logits), [0.5, 0.5])
    assert log_sum_exp(logits) == pytest.approx(level + np.log(2), rel=1e-15)
