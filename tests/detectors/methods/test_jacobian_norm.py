"""The norm of the Jacobian is measured; the detector passes it on."""

import numpy as np
from detector_inputs import NOTHING, PROBE_INFO, probe_features, score

from onnx_ood.detectors import ModelInfo, find_detector


def test_it_is_the_norm() -> None:
    features = probe_features()
    np.testing.assert_array_equal(score("jacobian_norm", PROBE_INFO, features), features.jacobian)


def test_it_needs_class_scores_or_layers() -> None:
    detector = find_detector("jacobian_norm")
    assert "class scores" in detector.why_not(NOTHING)
    assert "layers" in detector.why_not(NOTHING)
    assert detector.why_not(ModelInfo(False, None, False, (), ())) is None
    assert detector.why_not(PROBE_INFO) is None
