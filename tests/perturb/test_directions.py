"""Directions are orthogonal, of norm 1, uniform, and the first of many are those of few."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.exceptions import UsageError
from onnx_ood.perturb.directions import Directions


def rows(directions: Directions) -> np.ndarray:
    return np.stack([directions[i].ravel() for i in range(directions.count)])


@given(count=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_are_orthogonal_and_of_norm_one(count: int, seed: int) -> None:
    found = rows(Directions((2, 3, 4), count, seed))
    assert len(found) == min(count, 24)
    np.testing.assert_allclose(found @ found.T, np.eye(len(found)), atol=1e-12)


def test_have_the_shape_of_an_input() -> None:
    assert Directions((2, 3, 4), 5, 0)[4].shape == (2, 3, 4)
    assert Directions((2, 3), 6, 0)[5].shape == (2, 3)


def test_of_few_are_the_first_of_many() -> None:
    few, many = (rows(Directions((50,), count, 7)) for count in (3, 20))
    np.testing.assert_allclose(many[:3], few, atol=1e-12)
    assert not np.allclose(few, rows(Directions((50,), 3, 8)))


@pytest.mark.parametrize("count", [6, 100])
def test_that_fill_the_space_change_one_element_each(count: int) -> None:
    np.testing.assert_array_equal(rows(Directions((2, 3), count, 0)), np.eye(6))


def test_are_uniform_on_the_sphere() -> None:
    found = np.stack([rows(Directions((5,), 3, seed)) for seed in range(4000)])
    for i in range(3):
        # Mean 0 and covariance 1/n; four standard errors of the means, whose single values have variance at most 1/n.
        allowed = 4 * np.sqrt(1 / 5 / len(found))
        assert np.abs(found[:, i].mean(axis=0)).max() < allowed
        assert np.abs(found[:, i].T @ found[:, i] / len(found) - np.eye(5) / 5).max() < allowed


def test_of_a_negative_seed_are_refused() -> None:
    with pytest.raises(UsageError, match="seed must be 0 or larger"):
        Directions((5,), 3, -1)
