"""Rates of units switched on or off."""

from __future__ import annotations

import numpy as np

from onnx_ood.metrics import flip_rate


def test_it_is_the_share_of_units() -> None:
    assert flip_rate(3, 12) == 0.25
    assert flip_rate(0, 5) == 0.0
    assert flip_rate(5, 5) == 1.0


def test_each_probe_has_its_own_size() -> None:
    rates = flip_rate(np.array([[[1, 2]], [[0, 10]]]), np.array([4, 10]))
    np.testing.assert_array_equal(rates, [[[0.25, 0.2]], [[0.0, 1.0]]])
    assert rates.dtype == np.float64


def test_large_counts_stay_exact() -> None:
    assert flip_rate(2**53 - 1, 2**53) == (2**53 - 1) / 2**53
