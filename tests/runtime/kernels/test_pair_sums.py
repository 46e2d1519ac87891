"""Compiled pair statistics against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

from onnx_ood.runtime.kernels.pair_sums import clean_sums, pair_sums


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 1), (2, 37), (1, 1000)])
def test_sums_are_numpy_s(dtype: str, shape: tuple[int, int]) -> None:
    a, b = small_models.normal(2, *shape).astype(dtype)
    exact, nudged = a.astype(np.float64), b.astype(np.float64)
    squares, active = clean_sums(a)
    np.testing.assert_allclose(squares, (exact**2).sum(axis=1), rtol=1e-13)
    np.testing.assert_array_equal(active, (a > 0).sum(axis=1))
    products, distances, flips = pair_sums(a, b)
    np.testing.assert_allclose(products, (exact * (nudged - exact)).sum(axis=1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(distances, ((nudged - exact) ** 2).sum(axis=1), rtol=1e-13)
    np.testing.assert_array_equal(flips, ((a > 0) != (b > 0)).sum(axis=1))
