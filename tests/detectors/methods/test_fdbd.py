"""Distance from decision boundaries against points on these."""

import numpy as np
from detector_inputs import CLASSES, classifier, score

from onnx_ood.detectors import find_detector


def test_it_is_the_mean_distance_from_boundaries() -> None:
    """The distance is how far the features have to move at a right angle to the boundary."""
    info, features = classifier(5)
    head = info.head
    expected = []
    for h in features.features:
        z = head.weight @ h + head.bias
        first = int(z.argmax())
        distances = []
        for other in set(range(CLASSES)) - {first}:
            normal = head.weight[first] - head.weight[other]
            moved = h - normal * (z[first] - z[other]) / (normal @ normal)
            there = head.weight @ moved + head.bias
            assert abs(there[first] - there[other]) < 1e-9
            distances.append(np.linalg.norm(moved - h))
        expected.append(-np.mean(distances) / np.linalg.norm(h))
    np.testing.assert_allclose(score("fdbd", info, features), expected, rtol=1e-9)


def test_features_may_be_negative() -> None:
    assert find_detector("fdbd").why_not(classifier(0, rectified=False)[0]) is None
