"""Compiled statistics of neighbouring channels against numpy in float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.runtime.kernels.channel_sums import ChannelSums
from onnx_ood.runtime.kernels.lane_sums import lane_sums


def check(found: ChannelSums, values: np.ndarray) -> None:
    """Compare with numpy; values are [R, B, S, W]."""
    exact = values.astype(np.float64)
    shape = (len(values), values.shape[1] * values.shape[3])
    np.testing.assert_allclose(found.mean, exact.mean(axis=2).reshape(shape), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.variance, exact.var(axis=2).reshape(shape), rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(found.largest, exact.max(axis=2).reshape(shape))
    np.testing.assert_allclose(found.active, (exact > 0).mean(axis=2).reshape(shape), rtol=1e-15)


@given(
    rows=st.integers(1, 3),
    blocks=st.integers(1, 4),
    places=st.integers(1, 70),
    width=st.sampled_from([1, 4, 8, 16]),
    offset=st.sampled_from([0.0, 1.0, -3000.0]),
    channels_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_statistics_are_numpy_s(
    rows: int, blocks: int, places: int, width: int, offset: float, channels_last: bool, seed: int
) -> None:
    shape = (rows, places, blocks, width) if channels_last else (rows, blocks, places, width)
    values = (small_models.normal(*shape, seed=seed) + offset).astype(np.float32)
    values = values.transpose(0, 2, 1, 3) if channels_last else values
    check(lane_sums(values), values)


@pytest.mark.parametrize("nan", [np.nan, -np.nan])
@pytest.mark.parametrize("at", [0, 6])
def test_a_nan_makes_mean_variance_and_largest_nan(nan: float, at: int) -> None:
    values = small_models.normal(1, 2, 9, 8).astype(np.float32)
    values[0, 1, at, 3] = nan
    found = lane_sums(values)
    for each in (found.mean, found.variance, found.largest):
        assert np.flatnonzero(np.isnan(each)).tolist() == [8 + 3]


def test_zero_is_not_active_and_the_largest_may_be_negative_or_infinite() -> None:
    lanes = np.array([[0.0, -0.0, 1.0, -1.0], [-3.0, -0.5, -1e30, -7.0], [1.0, np.inf, 2.0, 0.0], [0.1] * 4])
    found = lane_sums(np.array(lanes.T, np.float32, order="C")[np.newaxis, np.newaxis])
    np.testing.assert_array_equal(found.active, [[0.25, 0, 0.75, 1]])
    np.testing.assert_array_equal(found.largest, [[1, -0.5, np.inf, np.float32(0.1)]])
    assert found.variance[0, 3] == 0


def test_threads_share_the_loop() -> None:
    values = [small_models.normal(2, 3, 50, 2, seed=seed).astype(np.float32) for seed in range(16)]
    with ThreadPoolExecutor(4) as threads:
        for found, each in zip(threads.map(lane_sums, values), values, strict=True):
            check(found, each)
