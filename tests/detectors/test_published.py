"""The published score against plain loops."""

from __future__ import annotations

from math import log10

import numpy as np
import pytest

from onnx_ood.detectors import published_score


def test_it_is_the_mean_of_negative_logarithms() -> None:
    drops = np.array([[1e-3, 1e-5], [0.1, 1e-2]])
    score = published_score(drops, np.array([1e-12, 1e-12]))
    np.testing.assert_allclose(score, [4.0, 1.5])


def test_it_is_that_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    drops, floor = rng.uniform(0, 0.1, (20, 5)), rng.uniform(1e-3, 1e-2, 5)
    expected = [-sum(log10(max(d, f)) for d, f in zip(row, floor, strict=True)) / 5 for row in drops.tolist()]
    np.testing.assert_allclose(published_score(drops, floor), expected)


def test_smaller_drops_score_higher() -> None:
    score = published_score(np.array([[1e-2], [1e-3], [1e-4]]), np.array([1e-12]))
    assert (np.diff(score) > 0).all()


@pytest.mark.parametrize("drop", [0.0, 1e-20, 1e-12])
def test_no_score_exceeds_that_of_the_noise_floor(drop: float) -> None:
    assert published_score(np.array([[drop]]), np.array([1e-12])) == pytest.approx(12)


def test_nan_stays_nan() -> None:
    score = published_score(np.array([[np.nan, 0.1], [0.1, 0.1]]), np.array([1e-12, 1e-12]))
    np.testing.assert_array_equal(np.isnan(score), [True, False])
