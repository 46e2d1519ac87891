"""Compiled channel statistics against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

from onnx_ood.runtime.kernels.channel_sums import channel_sums


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4, 25), (2, 1, 1), (1, 5, 7)])
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e4])
def test_statistics_are_numpy_s(dtype: str, shape: tuple[int, ...], offset: float) -> None:
    values = small_models.normal(*shape).astype(dtype) + np.dtype(dtype).type(offset)
    found = channel_sums(values)
    exact = values.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=2), rtol=1e-13)
    # A mean that is much larger takes no digits of the variance.
    np.testing.assert_allclose(found.variance, exact.var(axis=2), rtol=1e-9, atol=1e-20)
    np.testing.assert_array_equal(found.largest, exact.max(axis=2))
    np.testing.assert_array_equal(found.active, (exact > 0).mean(axis=2))


def test_zero_is_not_active_and_equal_values_do_not_vary() -> None:
    found = channel_sums(np.array([[[0.0, -0.0, 1.0, -1.0], [0.1] * 4]], np.float32))
    np.testing.assert_array_equal(found.active, [[0.25, 1]])
    assert found.variance[0, 1] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nan", [np.nan, -np.nan])
@pytest.mark.parametrize("at", [0, 7])
def test_a_nan_makes_mean_variance_and_largest_nan(dtype: str, nan: float, at: int) -> None:
    values = small_models.normal(1, 2, 9).astype(dtype)
    values[0, 1, at] = nan
    found = channel_sums(values)
    for each in (found.mean, found.variance, found.largest):
        assert np.isnan(each).tolist() == [[False, True]]


def test_the_largest_of_negative_values_and_of_infinity() -> None:
    found = channel_sums(
        np.array([[[-3.0, -0.5, -1e30], [-0.0, -0.0, -2.0], [1.0, np.inf, 2.0]]], np.float32)
    )
    np.testing.assert_array_equal(found.largest, [[-0.5, 0, np.inf]])
