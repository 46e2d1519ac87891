"""Ratios of drops against plain loops."""

from math import log10

import numpy as np
import pytest
from detector_inputs import PROBE_INFO, PROBES, probe_features, score

from onnx_ood.detectors import Features


def value(i: int, p: int) -> float:
    """The value of input i at probe p."""
    features = probe_features()
    return log10(features.smooth_drops[i, p] / features.drops[i, p])


def test_it_is_a_mean_over_probes() -> None:
    expected = [sum(value(i, p) for p in range(3)) / 3 for i in range(12)]
    np.testing.assert_allclose(
        score("spectral_ratio", PROBE_INFO, probe_features()), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("probe", range(3))
def test_one_probe_is_read_alone(probe: int) -> None:
    found = score(f"spectral_ratio@{PROBES[probe]}", PROBE_INFO, probe_features())
    np.testing.assert_allclose(found, [value(i, probe) for i in range(12)], rtol=1e-12, atol=1e-12)


def test_a_larger_ratio_is_more_out_of_distribution() -> None:
    drops = np.array([[1e-4] * 3, [1e-5] * 3])
    one, other = score(
        "spectral_ratio", PROBE_INFO, Features(drops=drops, smooth_drops=np.full((2, 3), 1e-4))
    )
    assert other > one
