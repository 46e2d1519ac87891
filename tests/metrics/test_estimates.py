"""Intervals against scipy."""

from __future__ import annotations

from math import comb
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onnx_ood.metrics.estimates import (
    difference_limit,
    fraction_interval,
    mean_interval,
    median_interval,
    percentile_interval,
    standard_error,
)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_quantiles_are_closed_forms(confidence: float) -> None:
    """t of one degree of freedom is tan(π(p − ½)); of two, a root; of many, nearly normal."""
    p = (1 + confidence) / 2
    one, two = np.tan(np.pi * (p - 0.5)), (2 * p - 1) / np.sqrt(2 * p * (1 - p))
    assert mean_interval([-1.0, 1.0], confidence).high == pytest.approx(one, rel=1e-12)
    assert mean_interval([-1.0, 0.0, 1.0], confidence).high == pytest.approx(two / np.sqrt(3), rel=1e-12)
    many = np.tile([-1.0, 1.0], 50_000)
    normal = NormalDist().inv_cdf(p)
    # The first term of Fisher's expansion in 1/ν; the next is of the order of 1e-10.
    expected = (normal + (normal**3 + normal) / 4 / 99_999) / np.sqrt(99_999)
    assert mean_interval(many, confidence).high == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("count", "total"), [(1, 7), (3, 10), (9, 10), (40, 90)])
def test_bounds_of_fractions_have_binomial_tails_of_2_5_percent(count: int, total: int) -> None:
    found = fraction_interval(count, total)
    assert found.value == count / total

    def tail(p: float, counts: range) -> float:
        return sum(comb(total, k) * p**k * (1 - p) ** (total - k) for k in counts)

    assert tail(found.low, range(count, total + 1)) == pytest.approx(0.025, rel=1e-10)
    assert tail(found.high, range(count + 1)) == pytest.approx(0.025, rel=1e-10)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40).filter(lambda v: np.std(v) > 1e-3))
def test_intervals_are_scipys(values: list[float]) -> None:
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    width = high - low
    assert found.value == pytest.approx(np.mean(values), abs=1e-9 * max(1, abs(np.mean(values))))
    assert found.low == pytest.approx(low, abs=1e-7 * width)
    assert found.high == pytest.approx(high, abs=1e-7 * width)


def test_what_is_not_finite_is_left_out_and_one_value_has_no_interval() -> None:
    assert mean_interval([1.0, np.nan, 3.0, np.inf]).value == 2
    one = mean_interval([4.0, np.nan])
    assert one.value == 4
    assert np.isnan([one.low, one.high]).all()
    assert np.isnan(mean_interval([]).value)


@given(st.integers(1, 3000), st.data())
def test_intervals_of_fractions_are_scipys(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    expected = stats.binomtest(count, total).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(fraction_interval(count, total)[1:], (expected.low, expected.high), atol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_the_median_s_interval_is_between_the_order_statistics_that_the_binomial_gives(
    values: list[float],
) -> None:
    found, n = median_interval(values), len(values)
    assert found.value == np.median(values)
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


def test_percentiles_are_those_of_resamples() -> None:
    samples = np.random.default_rng(0).normal(size=1001)
    found = percentile_interval(samples)
    assert found == (samples[0], *np.percentile(samples[1:], [2.5, 97.5]))


def test_the_standard_error_is_scipys() -> None:
    values = np.random.default_rng(0).normal(size=(3, 5, 2))
    np.testing.assert_allclose(standard_error(values), stats.sem(values, axis=1), rtol=1e-12)
    assert np.isnan(standard_error(values[:, :1])).all()


def test_the_limit_of_differences_of_normal_means_is_the_two_sample_one() -> None:
    """Of intervals ±z·s the limit is z·√(s² + t²)."""
    assert difference_limit(5.0, 5.0 - 1.96 * 3, 1.0, 1.0 + 1.96 * 4) == pytest.approx(1.96 * 5)
    assert difference_limit(5.0, None, 1.0, 1.5) == 0.5
    assert difference_limit(5.0, None, 1.0, None) == 0
