"""Virtual-logit matching against null spaces of scipy."""

import numpy as np
import pytest
from detector_inputs import REFERENCE_FEATURES, reference_features, reference_info, score
from scipy.linalg import null_space
from scipy.special import logsumexp

from onnx_ood.detectors import Features, LinearHead, ModelInfo
from onnx_ood.detectors.methods.vim import dimension


@pytest.mark.parametrize("count", [10, 32, 80])
def test_it_is_a_logit_of_the_null_space(count: int) -> None:
    reference, inputs = reference_features(10, count), reference_features(11, 7)
    head = reference_info().head
    # At the origin the logits, as far as features can change them, are 0.
    origin = np.linalg.lstsq(head.weight, -head.bias, rcond=None)[0]
    moved = reference.features - origin
    _, vectors = np.linalg.eigh(moved.T @ moved)
    left = null_space(vectors[:, -min(count // 4, REFERENCE_FEATURES // 2) :].T)
    largest = [(head.weight @ h + head.bias).max() for h in reference.features]
    factor = np.mean(largest) / np.mean([np.linalg.norm(h @ left) for h in moved])
    expected = [
        factor * np.linalg.norm((h - origin) @ left) - logsumexp(head.weight @ h + head.bias)
        for h in inputs.features
    ]
    np.testing.assert_allclose(score("vim", reference_info(), inputs, reference), expected, rtol=1e-8)


def test_residuals_raise_the_score_even_if_logits_are_negative() -> None:
    """A constant that all logits share must not invert the score."""
    head = reference_info().head
    low = ModelInfo(False, LinearHead(head.weight, head.bias - 100, False), True, (), ())
    outside = null_space(head.weight)[:, 0]
    away = np.stack([reference_features(13, 1).features[0] + far * outside for far in (0, 20, 40)])
    scores = score("vim", low, Features(features=away), reference_features(12, 20))
    assert (np.diff(scores) > 0).all()


def test_directions_are_at_most_a_quarter_of_references_and_half_of_features() -> None:
    assert [dimension(n, 64) for n in (3, 20, 127, 128, 50_000)] == [0, 5, 31, 32, 32]
