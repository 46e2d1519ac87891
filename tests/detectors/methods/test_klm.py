"""KL matching against scipy's relative entropy."""

import numpy as np
import pytest
from detector_inputs import CLASSES, NOTHING, classifier, score
from scipy.special import softmax
from scipy.stats import entropy

from onnx_ood.detectors import Features, find_detector


@pytest.mark.parametrize("scale", [1, 5, 30])
@pytest.mark.parametrize("count", [10, 200])
def test_it_is_the_divergence_from_the_nearest_class(count: int, scale: float) -> None:
    info, rng = classifier(0)[0], np.random.default_rng(4)
    known, new = rng.normal(0, scale, (count, CLASSES)), rng.normal(0, scale, (30, CLASSES))
    shares = softmax(known, axis=1)
    templates = [shares[known.argmax(axis=1) == one].mean(axis=0) for one in {*known.argmax(axis=1)}]
    expected = [min(entropy(softmax(z), template) for template in templates) for z in new]
    found = score("klm", info, Features(logits=new), Features(logits=known))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_an_input_like_all_references_of_its_class_has_no_divergence() -> None:
    info, logits = classifier(0)[0], 3 * np.eye(CLASSES)
    known = Features(logits=np.repeat(logits, 10, axis=0))
    np.testing.assert_allclose(score("klm", info, Features(logits=logits), known), 0, atol=1e-12)


def test_certain_references_leave_scores_finite() -> None:
    info, logits = classifier(0)[0], 1e5 * np.eye(CLASSES)
    found = score("klm", info, Features(logits=np.zeros((1, CLASSES))), Features(logits=logits))
    assert np.isfinite(found).all()
    assert found > 100


def test_it_applies_to_classifiers_with_10_references_of_each_class() -> None:
    detector = find_detector("klm")
    assert detector.why_not(NOTHING)
    known = Features(logits=np.repeat(np.eye(CLASSES), 10, axis=0))
    assert detector.why_not_references(known) is None
    assert "1 of 7 (class 0 has 9)" in detector.why_not_references(known.rows(slice(1, None)))
