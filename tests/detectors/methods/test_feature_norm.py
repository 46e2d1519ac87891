"""Norm of the features against a plain sum."""

import math

import numpy as np
from detector_inputs import classifier, score

from onnx_ood.detectors import find_detector


def test_it_is_the_norm_with_its_sign_changed() -> None:
    info, features = classifier(7)
    expected = [-math.sqrt(sum(v * v for v in h)) for h in features.features.tolist()]
    np.testing.assert_allclose(score("feature_norm", info, features), expected, rtol=1e-12)


def test_both_directions_count() -> None:
    assert find_detector("feature_norm").two_sided
