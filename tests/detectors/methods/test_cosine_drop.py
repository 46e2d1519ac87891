"""Cosine drops against plain loops."""

from math import log10

import numpy as np
import pytest
from detector_inputs import PROBE_INFO, PROBES, probe_features, score

from onnx_ood.detectors import Features, published_score


def value(i: int, p: int) -> float:
    """The value of input i at probe p."""
    features = probe_features()
    return -log10(features.drops[i, p])


def test_it_is_a_mean_over_probes() -> None:
    expected = [sum(value(i, p) for p in range(3)) / 3 for i in range(12)]
    np.testing.assert_allclose(
        score("cosine_drop", PROBE_INFO, probe_features()), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("probe", range(3))
def test_one_probe_is_read_alone(probe: int) -> None:
    found = score(f"cosine_drop@{PROBES[probe]}", PROBE_INFO, probe_features())
    np.testing.assert_allclose(found, [value(i, probe) for i in range(12)], rtol=1e-12, atol=1e-12)


def test_it_is_the_published_score() -> None:
    features = probe_features()
    expected = published_score(features.drops, np.full(3, 1e-12))
    np.testing.assert_array_equal(score("cosine_drop", PROBE_INFO, features), expected)


def test_a_smaller_drop_is_more_out_of_distribution() -> None:
    small, large = score("cosine_drop", PROBE_INFO, Features(drops=np.array([[1e-5] * 3, [1e-4] * 3])))
    assert small > large
