"""SCALE against plain loops."""

import numpy as np
import pytest
from detector_inputs import FEATURES, classifier, score
from scipy.special import logsumexp

from onnx_ood.detectors import Features, find_detector


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_energy_of_scaled_features(seed: int) -> None:
    info, features = classifier(seed)
    expected = []
    for h in features.features:
        largest = np.argsort(h)[::-1][: FEATURES * 15 // 100]
        scaled = h * np.exp(h.sum() / h[largest].sum())
        expected.append(-logsumexp(info.head.weight @ scaled + info.head.bias))
    np.testing.assert_allclose(score("scale", info, features), expected, rtol=1e-9)


def test_features_of_0_give_the_energy_of_the_bias() -> None:
    info, _ = classifier(0)
    found = score("scale", info, Features(features=np.zeros((1, FEATURES))))
    np.testing.assert_allclose(found, -logsumexp(info.head.bias), rtol=1e-12)


def test_it_refuses_features_that_can_be_negative() -> None:
    info, _ = classifier(0, rectified=False)
    assert "negative" in find_detector("scale").why_not(info)
