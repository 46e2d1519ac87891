"""ASH-B against plain loops."""

import numpy as np
import pytest
from detector_inputs import FEATURES, classifier, score
from scipy.special import logsumexp

from onnx_ood.detectors import find_detector


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_energy_of_binarised_features(seed: int) -> None:
    info, features = classifier(seed)
    expected = []
    for h in features.features:
        largest = np.argsort(h)[::-1][: FEATURES // 10]
        binary = np.zeros(FEATURES)
        binary[largest] = h.sum() / len(largest)
        expected.append(-logsumexp(info.head.weight @ binary + info.head.bias))
    np.testing.assert_allclose(score("ash", info, features), expected, rtol=1e-9)


def test_it_refuses_features_that_can_be_negative() -> None:
    info, _ = classifier(0, rectified=False)
    assert "negative" in find_detector("ash").why_not(info)
