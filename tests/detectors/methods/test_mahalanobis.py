"""Mahalanobis distance against a density of scipy."""

import numpy as np
from detector_inputs import REFERENCE_FEATURES, reference_features, reference_info, score
from scipy.stats import multivariate_normal

from onnx_ood.detectors import Features


def test_it_is_a_log_density_of_features() -> None:
    """The squared distance is twice the negative log density, relative to that at the mean."""
    reference, inputs = reference_features(6, 50).features, reference_features(7, 8).features
    deviation = reference.std(axis=0, ddof=1)
    correlation = np.corrcoef(reference.T)
    shrunk = (0.9 * correlation + 0.1 * np.eye(REFERENCE_FEATURES)) * np.outer(deviation, deviation)
    density = multivariate_normal(reference.mean(axis=0), shrunk)
    expected = np.sqrt(2 * (density.logpdf(reference.mean(axis=0)) - density.logpdf(inputs)))
    found = score("mahalanobis", reference_info(), Features(features=inputs), Features(features=reference))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
