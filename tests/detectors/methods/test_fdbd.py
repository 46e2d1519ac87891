"""Distance from decision boundaries against points on these."""

from dataclasses import replace

import numpy as np
import pytest
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


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_without_a_bias_the_length_of_the_features_does_not_matter(scale: float) -> None:
    """Logits and features grow together, so that the distance relative to the norm stays."""
    info, features = classifier(5)
    unbiased = replace(info, head=replace(info.head, bias=np.zeros(CLASSES)))
    expected = score("fdbd", unbiased, replace(features, logits=features.features @ info.head.weight.T))
    h = scale * features.features
    found = score("fdbd", unbiased, replace(features, features=h, logits=h @ info.head.weight.T))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_features_of_length_zero_have_no_infinite_score() -> None:
    info, features = classifier(5)
    none = replace(features, features=np.zeros_like(features.features), logits=np.zeros_like(features.logits))
    np.testing.assert_array_equal(score("fdbd", info, none), 0)
