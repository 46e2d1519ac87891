"""The largest logit against a plain loop."""

import numpy as np
from detector_inputs import CLASSES, classifier, score
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.detectors import Features


@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_it_is_the_largest_logit_with_its_sign_changed(seed: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, (5, CLASSES))
    found = score("max_logit", classifier(0)[0], Features(logits=logits))
    np.testing.assert_array_equal(found, [-max(row) for row in logits.tolist()])
