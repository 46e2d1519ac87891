"""The distance of activity profiles."""

import numpy as np
from detector_inputs import reference_features, reference_info, score

from onnx_ood.detectors import ShrunkGaussian


def test_it_is_the_distance_of_activity_profiles() -> None:
    reference, inputs = reference_features(4, 15), reference_features(5, 8)
    gaussian = ShrunkGaussian(reference.activity, 0.5)
    expected = gaussian.distances(inputs.activity)
    found = score("activity", reference_info(), inputs, reference)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
