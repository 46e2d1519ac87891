"""Intervals against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onnx_ood.metrics.intervals import mean_interval, median_interval, share_interval, student_quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 30, 1000, 100_000])
@pytest.mark.parametrize("probability", [0.75, 0.975, 0.9995])
def test_quantiles_are_scipys(probability: float, degrees: int) -> None:
    assert student_quantile(probability, degrees) == pytest.approx(
        stats.t.ppf(probability, degrees), rel=1e-8
    )


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40).filter(lambda v: np.std(v) > 1e-3))
def test_intervals_are_scipys(values: list[float]) -> None:
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    width = high - low
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9 * max(1, abs(np.mean(values))))
    assert found.low == pytest.approx(low, abs=1e-7 * width)
    assert found.high == pytest.approx(high, abs=1e-7 * width)


def test_what_is_not_finite_is_left_out_and_one_value_has_no_interval() -> None:
    assert mean_interval([1.0, np.nan, 3.0, np.inf]).mean == 2
    one = mean_interval([4.0, np.nan])
    assert one.mean == 4
    assert np.isnan([one.low, one.high]).all()
    assert np.isnan(mean_interval([]).mean)


@given(st.integers(1, 3000), st.data())
def test_intervals_of_shares_are_scipys(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    expected = stats.binomtest(count, total).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(share_interval(count, total), (expected.low, expected.high), atol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_the_median_s_interval_is_between_the_order_statistics_that_the_binomial_gives(
    values: list[float],
) -> None:
    found, n = median_interval(values), len(values)
    assert found.mean == np.median(values)
    # The number of values below the median is binomial: the rank is that of the 2.5% quantile.
    rank = int(stats.binom.ppf(0.025, n, 0.5))
    if stats.binom.cdf(rank, n, 0.5) <= 0.025:
        rank += 1
    if rank == 0:
        assert np.isnan([found.low, found.high]).all()
    else:
        assert (found.low, found.high) == (sorted(values)[rank - 1], sorted(values)[n - rank])


@pytest.mark.parametrize("n", [5, 6, 1000, 300_001])
def test_ranks_of_many_values_are_scipys(n: int) -> None:
    """Of as many values as anybody scores: with a sum for each rank this would take days."""
    found = median_interval(np.arange(1, n + 1))
    # Binomial quantiles by the incomplete beta function, of which no sum is made: P(X < rank) is at most 2.5%.
    rank = int(stats.binom.ppf(0.025, n, 0.5))
    assert stats.binom.cdf(rank - 1, n, 0.5) <= 0.025 < stats.binom.cdf(rank, n, 0.5)
    if rank == 0:
        assert np.isnan([found.low, found.high]).all()
    else:
        assert (found.low, found.high) == (rank, n + 1 - rank)


def test_the_median_s_interval_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [median_interval(rng.lognormal(size=30)) for _ in range(2000)]
    held = np.mean([one.low <= 1 <= one.high for one in found])
    assert 0.95 <= held <= 0.975  # exact: 0.957 for 30 values
