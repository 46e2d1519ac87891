"""Pair statistics against exact sums."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnx_ood import metrics
from onnx_ood.runtime.statistics import PairStatistics, prepare_clean, tabulate
from onnx_ood.runtime.statistics import pair_statistics as pairs_of

# What float64 may leave of a sum: n·2⁻⁵³ at most.
REL = 1e-12
FLOATS = ("float16", "float32", "float64")


def pair_statistics(a: np.ndarray, b: np.ndarray) -> PairStatistics:
    return pairs_of(prepare_clean(a), b)


def one_row(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, int, int]:
    """Statistics of one pair by exact sums of float64 products."""
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    d = y - x
    pairs = list(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return (
        fsum(x * x),
        fsum(x * d),
        fsum(d * d),
        sum((p > 0) != (q > 0) for p, q in pairs),
        sum(p > 0 for p, _ in pairs),
    )


def assert_right(a: np.ndarray, b: np.ndarray) -> None:
    found = pair_statistics(a, b)
    for row in range(len(a)):
        aa, ad, dd, flips, active = one_row(a[row], b[row])
        magnitude = np.sqrt(aa * dd)  # What ⟨a, d⟩ is summed from.
        assert found.aa[row] == pytest.approx(aa, rel=REL, abs=1e-300)
        assert found.ad[row] == pytest.approx(ad, rel=REL, abs=REL * magnitude + 1e-300)
        assert found.dd[row] == pytest.approx(dd, rel=REL, abs=1e-300)
        assert (found.flips[row], found.active[row]) == (flips, active)


@given(data=st.data(), dtype=st.sampled_from(FLOATS))
def test_any_small_arrays(data: st.DataObject, dtype: str) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
    elements = hnp.from_dtype(np.dtype(dtype), min_value=-100, max_value=100, allow_subnormal=False)
    a, b = (data.draw(hnp.arrays(dtype, shape, elements=elements)) for _ in range(2))
    assert_right(a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1, 7, 8, 31, 33, 5000, 300_007])
def test_every_element_counts_at_the_edges_of_vectors(size: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    a = rng.standard_normal((2, size)).astype(dtype)
    assert_right(a, (a + 0.1 * rng.standard_normal((2, size))).astype(dtype))


@pytest.mark.parametrize(("rows", "size"), [(70_001, 1), (301, 17), (40, 9000)])
def test_every_row_counts(rows: int, size: int) -> None:
    rng = np.random.default_rng(rows)
    a = rng.standard_normal((rows, size)).astype(np.float32)
    b = (a + 0.5 * rng.standard_normal((rows, size))).astype(np.float32)
    x, d = a.astype(np.float64), b.astype(np.float64) - a
    found = pair_statistics(a, b)
    magnitude = np.sqrt((x * x).sum(1) * (d * d).sum(1))
    np.testing.assert_allclose(found.aa, (x * x).sum(1), rtol=REL)
    assert (abs(found.ad - (x * d).sum(1)) <= REL * magnitude).all()
    np.testing.assert_allclose(found.dd, (d * d).sum(1), rtol=REL)
    np.testing.assert_array_equal(found.flips, ((a > 0) != (b > 0)).sum(1))
    np.testing.assert_array_equal(found.active, (a > 0).sum(1))


def test_any_layout_in_memory_is_read() -> None:
    """Shares of inputs that don't lie on the first axis come as strided views; what is read from files, read-only."""
    rng = np.random.default_rng(3)
    whole = rng.standard_normal((6, 4, 5)).astype(np.float32)
    whole.setflags(write=False)
    a, b = np.moveaxis(whole[:, :2], 1, 0), np.moveaxis(whole[:, 2:], 1, 0)
    assert_right(a, b)


def test_parallel_differences_are_told_from_turned_ones() -> None:
    """b = (1 + 2⁻²⁰)·a: all of d lies along a. The drop, in exact arithmetic, is what rounding b to float32 left."""
    a = np.random.default_rng(0).standard_normal((1, 100_000)).astype(np.float32)
    b = (a.astype(np.float64) * (1 + 2.0**-20)).astype(np.float32)
    exact = [Fraction(float(y)) - Fraction(float(x)) for x, y in zip(a[0], b[0], strict=True)]
    found = pair_statistics(a, b)
    assert found.dd[0] == pytest.approx(float(sum(d * d for d in exact)), rel=REL)
    assert found.ad[0] == pytest.approx(
        float(sum(Fraction(float(x)) * d for x, d in zip(a[0], exact, strict=True))), rel=REL
    )
    x, y = a[0].astype(np.longdouble), b[0].astype(np.longdouble)
    drop = ((x / np.sqrt(x @ x) - y / np.sqrt(y @ y)) ** 2).sum() / 2
    assert metrics.cosine_drop(found.aa, found.ad, found.dd)[0] == pytest.approx(
        float(drop), rel=1e-3, abs=1e-17
    )


@pytest.mark.parametrize("scale", [1e-35, 1e-25, 1e-15, 1e15, 1e25, 1e35])
@pytest.mark.parametrize("size", [100, 5000])
def test_squares_beyond_float32_are_not_lost(scale: float, size: int) -> None:
    rng = np.random.default_rng(1)
    a = (scale * rng.standard_normal((3, size))).astype(np.float32)
    a[1] /= scale  # One row among others.
    assert_right(a, (a * (1 + 0.01 * rng.standard_normal((3, size)))).astype(np.float32))


def test_zero_is_off_and_so_is_negative_zero() -> None:
    a = np.array([[0.0, -0.0, 1.0, -1.0, 0.0, 1e-45]], np.float32)
    b = np.array([[-0.0, 1.0, 0.0, 1.0, -1.0, 1e-45]], np.float32)
    found = pair_statistics(a, b)
    assert (found.flips[0], found.active[0]) == (3, 2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_numbers_of_small_types_do_not_overflow(dtype: str) -> None:
    top = np.finfo(dtype).max if dtype != "float64" else 1e150
    found = pair_statistics(np.full((1, 3), top, dtype), np.full((1, 3), -top, dtype))
    assert found.aa[0] == pytest.approx(3 * float(top) ** 2)
    assert found.dd[0] == pytest.approx(12 * float(top) ** 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_not_finite_stays_in_its_row(bad: float, which: int) -> None:
    pair = [np.ones((3, 4), np.float32), np.full((3, 4), 2, np.float32)]
    pair[which][1, 2] = bad
    found = pair_statistics(*pair)
    finite = np.isfinite(found.aa) & np.isfinite(found.ad) & np.isfinite(found.dd)
    np.testing.assert_array_equal(finite, [True, False, True])
    np.testing.assert_array_equal(found.aa[[0, 2]], 4.0)


def test_a_tensor_without_elements_has_nothing_to_say() -> None:
    found = pair_statistics(np.zeros((3, 0, 4), np.float32), np.zeros((3, 0, 4), np.float32))
    for field in found:
        np.testing.assert_array_equal(field, [0, 0, 0])


def test_arrays_that_are_views_give_the_same() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 6, 5, 4)).astype(np.float32)
    straight = pair_statistics(np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    for one, other in zip(pair_statistics(a.T, b.T), straight, strict=True):
        np.testing.assert_array_equal(one, other)


@given(rows=st.integers(1, 9), cut=st.integers(0, 9))
@settings(max_examples=25)
def test_rows_do_not_depend_on_their_company(rows: int, cut: int) -> None:
    rng = np.random.default_rng(rows)
    a, b = rng.standard_normal((2, rows, 3000)).astype(np.float32)
    cut = min(cut, rows - 1)
    together, alone = pair_statistics(a, b), pair_statistics(a[cut : cut + 1], b[cut : cut + 1])
    for one, other in zip(together, alone, strict=True):
        assert one[cut] == other[0]


def test_threads_give_the_same() -> None:
    arrays = np.random.default_rng(4).standard_normal((8, 2, 3, 5000)).astype(np.float32)
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda pair: pair_statistics(*pair), arrays))
    for pair, found in zip(arrays, together, strict=True):
        for one, other in zip(found, pair_statistics(*pair), strict=True):
            np.testing.assert_array_equal(one, other)


def test_inputs_are_not_changed() -> None:
    a, b = np.ones((2, 3)), np.full((2, 3), 2.0)
    pair_statistics(a, b)
    assert (a == 1).all()
    assert (b == 2).all()


def test_tables_have_inputs_copies_and_probes() -> None:
    def cell(copy: int, probe: int) -> PairStatistics:
        base = np.array([100 * row + 10 * copy + probe for row in range(4)])
        return PairStatistics(base + 0.1, base + 0.2, base + 0.3, base, base + 1)

    table = tabulate([[cell(copy, probe) for probe in range(2)] for copy in range(3)])
    assert [field.shape for field in table] == [(4, 3, 2)] * 5
    assert [field.dtype.kind for field in table] == ["f", "f", "f", "i", "i"]
    assert (table.flips[3, 2, 1], table.active[3, 2, 1]) == (321, 322)
    assert (table.aa[1, 0, 1], table.ad[1, 0, 1], table.dd[1, 0, 1]) == (101.1, 101.2, 101.3)
