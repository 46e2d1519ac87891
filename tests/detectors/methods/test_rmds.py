"""Relative Mahalanobis distance against explicit inverses, and where it is known."""

from dataclasses import replace

import numpy as np
import pytest
from detector_inputs import CLASSES, FEATURES, classifier, score

from onnx_ood.detectors import Features, find_detector

INFO = classifier(0)[0]


def drawn(seed: int, count: int, classes: int = CLASSES) -> Features:
    """Inputs around a mean of their class, which the logits give away."""
    rng = np.random.default_rng(seed)
    of = np.arange(count) % classes
    means = np.random.default_rng(5).normal(0, 2, (CLASSES, FEATURES))
    spread = np.exp(np.random.default_rng(6).normal(0, 1, FEATURES))
    features = means[of] + rng.normal(size=(count, FEATURES)) * spread
    return Features(logits=5 * np.eye(CLASSES)[of] + rng.normal(0, 0.1, (count, CLASSES)), features=features)


def shrunk(rows: np.ndarray) -> np.ndarray:
    covariance = sum(np.outer(row, row) for row in rows) / len(rows)
    return 0.9 * covariance + 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))


@pytest.mark.parametrize("count", [35, 70, 300])
def test_it_is_the_distance_from_a_class_less_that_from_all(count: int) -> None:
    reference, inputs = drawn(0, count), drawn(1, 9)
    mean, deviation = reference.features.mean(axis=0), reference.features.std(axis=0, ddof=1)
    rows, new = ((one.features - mean) / deviation for one in (reference, inputs))
    of = reference.logits.argmax(axis=1)
    means = np.stack([rows[of == one].mean(axis=0) for one in range(CLASSES)])
    within, whole = np.linalg.inv(shrunk(rows - means[of])), np.linalg.inv(shrunk(rows))
    expected = [min((x - m) @ within @ (x - m) for m in means) - x @ whole @ x for x in new]
    np.testing.assert_allclose(score("rmds", INFO, inputs, reference), expected, rtol=1e-8)


def test_with_one_class_nothing_is_relative() -> None:
    reference, inputs = drawn(0, 50, classes=1), drawn(1, 9)
    np.testing.assert_allclose(score("rmds", INFO, inputs, reference), 0, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_units_of_features_do_not_matter(scale: float) -> None:
    reference, inputs = drawn(0, 100), drawn(1, 9)
    units = scale * np.exp(np.random.default_rng(2).normal(size=FEATURES))
    scaled = [replace(one, features=one.features * units + 7 * units) for one in (inputs, reference)]
    np.testing.assert_allclose(
        score("rmds", INFO, *scaled), score("rmds", INFO, inputs, reference), rtol=1e-7, atol=1e-7
    )


def test_it_requires_10_references_of_each_class() -> None:
    detector = find_detector("rmds")
    assert detector.why_not_references(drawn(0, 10 * CLASSES)) is None
    assert "1 of 7 (class 6 has 9)" in detector.why_not_references(drawn(0, 10 * CLASSES - 1))
