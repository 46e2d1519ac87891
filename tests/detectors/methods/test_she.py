"""Simplified Hopfield energy against plain loops."""

import numpy as np
from detector_inputs import CLASSES, FEATURES, classifier, score

from onnx_ood.detectors import Features, find_detector

INFO = classifier(0)[0]


def drawn(seed: int, count: int) -> Features:
    rng = np.random.default_rng(seed)
    return Features(logits=rng.normal(size=(count, CLASSES)), features=rng.normal(1, 1, (count, FEATURES)))


def test_it_is_the_product_with_the_mean_of_the_predicted_class() -> None:
    reference, inputs = drawn(0, 120), drawn(1, 20)
    of = [max(range(CLASSES), key=lambda one: z[one]) for z in reference.logits]
    expected = []
    for h, z in zip(inputs.features, inputs.logits, strict=True):
        predicted = max(range(CLASSES), key=lambda one: z[one])
        same = [r for r, one in zip(reference.features, of, strict=True) if one == predicted]
        expected.append(-sum(a * sum(r[d] for r in same) / len(same) for d, a in enumerate(h)))
    np.testing.assert_allclose(score("she", INFO, inputs, reference), expected, rtol=1e-10)


def test_a_class_without_references_has_the_mean_of_all() -> None:
    reference = drawn(0, 120)
    lacking = reference.rows(np.flatnonzero(reference.logits.argmax(axis=1) != 3))
    inputs = reference.rows(np.flatnonzero(reference.logits.argmax(axis=1) == 3))
    expected = -inputs.features @ lacking.features.mean(axis=0)
    np.testing.assert_allclose(score("she", INFO, inputs, lacking), expected, rtol=1e-10)
    assert "1 of 7 (class 3 has 0)" in find_detector("she").why_not_references(lacking)
