"""Activation prior against plain loops."""

from dataclasses import replace

import numpy as np
from detector_inputs import classifier, score

from onnx_ood.detectors import find_detector


def test_it_is_the_mean_height_of_peaks() -> None:
    info, features = classifier(7)
    expected = [
        -np.mean([peak / (mean + 1e-3) for peak, mean in zip(peaks, means, strict=True)])
        for peaks, means in zip(features.pooled.largest, features.pooled.mean, strict=True)
    ]
    np.testing.assert_allclose(score("activation_prior", info, features), expected, rtol=1e-12)


def test_it_needs_a_feature_map() -> None:
    info, _ = classifier(7)
    assert "feature map" in find_detector("activation_prior").why_not(replace(info, pooled=False))
