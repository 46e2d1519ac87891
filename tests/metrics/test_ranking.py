"""Ranks and their correlation, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onnx_ood.metrics.ranking import average_ranks, rank_correlation

# Few enough values for ties.
PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.floats(-1e6, 1e6)), min_size=2, max_size=40)


@given(PAIRS)
def test_they_are_scipys(pairs: list[tuple[int, float]]) -> None:
    a, b = (np.array(values, np.float64) for values in zip(*pairs, strict=True))
    np.testing.assert_array_equal(average_ranks(a), stats.rankdata(a))
    np.testing.assert_array_equal(average_ranks(b), stats.rankdata(b))
    if np.ptp(a) > 0 and np.ptp(b) > 0:
        assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert np.isnan(rank_correlation(a, b))


def test_one_value_has_no_correlation() -> None:
    assert np.isnan(rank_correlation([1.0], [2.0]))
    np.testing.assert_array_equal(average_ranks([]), [])


@pytest.mark.parametrize("constant", [0, 1])
def test_a_constant_side_has_no_correlation(constant: int) -> None:
    sides = [np.array([1.0, 2.0, 4.0]), np.full(3, 2.0)]
    assert np.isnan(rank_correlation(sides[constant], sides[1 - constant]))
