"""Shrunk Gaussians against dense matrices, and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

from onnx_ood.detectors.models.gaussian import ShrunkCovariance, ShrunkGaussian


def dense(reference: np.ndarray, rows: np.ndarray, shrinkage: float) -> np.ndarray:
    """The distance by a d × d inverse; every feature has to differ."""
    mean, deviation = reference.mean(axis=0), reference.std(axis=0, ddof=1)
    covariance = np.atleast_2d(np.cov(((reference - mean) / deviation).T))
    d = len(covariance)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / d * np.eye(d)
    inverse = np.linalg.inv(shrunk)
    return np.array([mahalanobis(z, np.zeros(d), inverse) for z in (rows - mean) / deviation])


@given(st.integers(0, 1000), st.integers(2, 30), st.integers(1, 40), st.floats(0.05, 1), st.floats(0.01, 100))
def test_distances_are_those_of_a_dense_inverse(
    seed: int, count: int, features: int, shrinkage: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.normal(5, scale, (count, features)) @ rng.normal(size=(features, features))
    rows = np.concatenate([reference[:2], rng.normal(0, 3 * scale, (4, features))])
    np.testing.assert_allclose(
        ShrunkGaussian(reference, shrinkage).distances(rows),
        dense(reference, rows, shrinkage),
        rtol=1e-8,
        atol=1e-9,
    )


def test_many_features_lose_no_digits() -> None:
    """Far more features than inputs, of very different sizes: no digits are lost."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(30, 1))
    reference = (common + 0.1 * rng.normal(size=(30, 600))) * np.logspace(-6, 6, 600)
    rows = (1 + 0.1 * rng.normal(size=(5, 600))) * np.logspace(-6, 6, 600)
    found = ShrunkGaussian(reference, 0.2).distances(rows)
    np.testing.assert_allclose(found, dense(reference, rows, 0.2), rtol=1e-9)


def test_unshrunk_distances_depend_on_no_linear_map() -> None:
    rng = np.random.default_rng(1)
    reference, rows = rng.normal(size=(40, 6)), rng.normal(size=(9, 6))
    mixing, moved = rng.normal(size=(6, 6)), rng.normal(size=6)
    np.testing.assert_allclose(
        ShrunkGaussian(reference @ mixing + moved, 0).distances(rows @ mixing + moved),
        ShrunkGaussian(reference, 0).distances(rows),
        rtol=1e-9,
    )


@given(st.integers(0, 100), st.integers(3, 12))
def test_distances_depend_on_no_units(seed: int, features: int) -> None:
    rng = np.random.default_rng(seed)
    reference, rows = rng.normal(size=(8, features)), rng.normal(size=(5, features))
    units, zeros = np.exp(rng.normal(0, 5, features)), rng.normal(0, 3, features)
    np.testing.assert_allclose(
        ShrunkGaussian((reference + zeros) * units).distances((rows + zeros) * units),
        ShrunkGaussian(reference).distances(rows),
        rtol=1e-7,
    )


def test_features_without_spread_are_dropped() -> None:
    rng = np.random.default_rng(2)
    reference, rows = rng.normal(size=(10, 4)), rng.normal(size=(5, 4))
    expected = ShrunkGaussian(reference).distances(rows)
    # Exactly constant, and constant up to what float32 rounds.
    noise = 3 + 1e-7 * rng.normal(size=(10, 1))
    wider = np.concatenate([np.zeros((10, 1)), noise, reference], axis=1)
    new = np.concatenate([rng.normal(size=(5, 2)), rows], axis=1)
    np.testing.assert_array_equal(ShrunkGaussian(wider).distances(new), expected)


def test_an_inverse_is_solved_for() -> None:
    rng = np.random.default_rng(3)
    for count in (3, 20):
        roots = rng.normal(size=(count, 7))
        covariance = roots.T @ roots
        shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 7 * np.eye(7)
        right = rng.normal(size=(4, 7))
        np.testing.assert_allclose(ShrunkCovariance(roots, 0.3).solve(right @ shrunk), right, rtol=1e-9)


@pytest.mark.parametrize(
    ("reference", "shrinkage", "reason"),
    [
        (np.eye(1, 3), 0.5, "2 inputs, found 1"),
        (np.ones((5, 3)), 0.5, "no spread"),
        (np.eye(3) * np.nan, 0.5, "finite"),
        (np.eye(3), 1.5, "out of range"),
        (np.eye(3), 0, "no inverse"),
        (np.arange(20.0)[:, np.newaxis] ** [1, 1], 0, "no inverse"),
    ],
)
def test_invalid_features_are_refused(reference: np.ndarray, shrinkage: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ShrunkGaussian(reference, shrinkage)


@pytest.mark.parametrize(
    ("rows", "shrinkage", "refused"), [(3, 0, True), (4, 0, False), (6, 0, False), (3, 0.1, False)]
)
def test_an_unshrunk_covariance_needs_as_many_rows_as_features(
    rows: int, shrinkage: float, refused: bool
) -> None:
    """RᵀR of fewer rows has no inverse, however well these are conditioned."""
    roots = np.random.default_rng(0).normal(size=(rows, 4))
    if refused:
        with pytest.raises(ValueError, match="no inverse"):
            ShrunkCovariance(roots, shrinkage)
    else:
        covariance = roots.T @ roots
        dense = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 4 * np.eye(4)
        x = np.arange(4.0)[np.newaxis]
        np.testing.assert_allclose(ShrunkCovariance(roots, shrinkage).solve(x), np.linalg.solve(dense, x.T).T)


def test_contributions_of_features_sum_to_the_squared_distance() -> None:
    rng = np.random.default_rng(7)
    reference = rng.normal(size=(12, 5))
    reference[:, 3] = 2.0  # a feature that does not differ is dropped
    rows = rng.normal(size=(4, 5))
    gaussian = ShrunkGaussian(reference)
    found = gaussian.contributions(rows)
    np.testing.assert_allclose(found.sum(axis=1), gaussian.distances(rows) ** 2, rtol=1e-10)
    np.testing.assert_array_equal(found[:, 3], 0)
    uncorrelated = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    # Without correlation each contribution is the squared z-score.
    np.testing.assert_allclose(
        ShrunkGaussian(uncorrelated).contributions(np.array([[3.0, 1.0]])), [[27 / 4, 3 / 4]], rtol=1e-12
    )
