"""The distance of sensitivity profiles."""

import math

import numpy as np
from detector_inputs import reference_features, reference_info, score

from onnx_ood.detectors import Features, ShrunkGaussian


def test_it_is_the_distance_of_logs() -> None:
    reference, inputs = reference_features(4, 15), reference_features(5, 8)

    def logs(features: Features) -> np.ndarray:
        return np.array(
            [
                [math.log(v) for v in drops] + [math.log(v + 1e-5) for v in flips]
                for drops, flips in zip(features.drops, features.flips, strict=True)
            ]
        )

    expected = ShrunkGaussian(logs(reference), 0.2).distances(logs(inputs))
    np.testing.assert_allclose(score("profile", reference_info(), inputs, reference), expected, rtol=1e-9)
