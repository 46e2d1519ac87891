"""Nearest neighbour guidance against sorted lists."""

import math

import numpy as np
import pytest
from detector_inputs import classifier, reference_features, reference_info, score
from scipy.special import logsumexp

from onnx_ood.detectors import ModelInfo, find_detector


@pytest.mark.parametrize("count", [10, 33])
def test_it_is_energy_times_the_mean_of_the_10_best_guides(count: int) -> None:
    info, reference, inputs = reference_info(), reference_features(8, count), reference_features(9, 7)
    expected = []
    for h, z in zip(inputs.features, inputs.logits, strict=True):
        guides = [
            logsumexp(logits) * float(h @ r) / math.sqrt(float(h @ h) * float(r @ r))
            for r, logits in zip(reference.features, reference.logits, strict=True)
        ]
        expected.append(-logsumexp(z) * np.mean(sorted(guides)[-10:]))
    np.testing.assert_allclose(score("nnguide", info, inputs, reference), expected, rtol=1e-9)


def test_it_refuses_probabilities() -> None:
    """Their log Σ exp z is 0 for all inputs."""
    info = classifier(0)[0]
    probabilities = ModelInfo(True, info.head, False, (), ())
    assert "scale of the logits" in find_detector("nnguide").why_not(probabilities)
