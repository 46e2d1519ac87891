"""How inputs are shared out to runs, and how tensors are cut into shares again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.runtime.batching.independence import BatchDependenceError, neighbour, same, share
from onnx_ood.runtime.batching.layout import Layout


def make(rows: int, fixed: bool = False, **shapes: tuple[int, ...]) -> Layout:
    return Layout(batch_size=rows, fixed=fixed, shapes=shapes, bytes_at={})


class TestRuns:
    @given(rows=st.integers(1, 9), count=st.integers(1, 40))
    def test_every_input_is_run_once_in_order(self, rows: int, count: int) -> None:
        runs = make(rows).runs(count)
        assert [i for run in runs for i in run] == list(range(count))
        assert all(len(run) == rows for run in runs[:-1])
        assert 1 <= len(runs[-1]) <= rows

    @given(rows=st.integers(1, 9), count=st.integers(1, 40))
    def test_a_fixed_batch_is_filled_up_with_the_last_input(self, rows: int, count: int) -> None:
        runs = make(rows, fixed=True).runs(count)
        assert all(len(run) == rows for run in runs)
        flat = [i for run in runs for i in run]
        assert flat[:count] == list(range(count))
        assert set(flat[count:]) <= {count - 1}


class TestRunsBesideEachOther:
    @given(rows=st.integers(1, 9), count=st.integers(1, 60), beside=st.integers(1, 8))
    def test_have_much_the_same_number_of_inputs(self, rows: int, count: int, beside: int) -> None:
        runs = Layout(batch_size=rows, fixed=False, shapes={}, bytes_at={}, even=True).runs(count, beside)
        assert [i for run in runs for i in run] == list(range(count))
        sizes = [len(run) for run in runs]
        assert max(sizes) <= rows
        assert max(sizes) - min(sizes) <= 1
        assert len(runs) >= min(beside, count)

    def test_keep_the_size_that_the_user_chose(self) -> None:
        assert [len(run) for run in make(4).runs(9, 2)] == [4, 4, 1]


class TestShares:
    def test_are_equal_parts_of_the_first_axis(self) -> None:
        array = np.arange(24).reshape(6, 4)
        shares = make(3, t=(2, 4)).cut("t", array, 3)
        assert shares.shape == (3, 2, 4)
        np.testing.assert_array_equal(shares[1], array[2:4])
        for i in (0, 1, 2, -1):
            np.testing.assert_array_equal(share(array, 3, i), shares[i])

    def test_of_one_input_are_the_whole_tensor_whatever_its_shape(self) -> None:
        for array in (np.float32(1), np.zeros(0), np.zeros((5, 2))):
            assert share(np.asarray(array), 1, 0) is not None
            assert make(4, t=(9, 9)).cut("t", np.asarray(array), 1).shape == (1, *np.shape(array))

    @pytest.mark.parametrize("shape", [(), (5, 4), (6, 5), (4, 4), (6, 4, 1), (0, 4)])
    def test_that_are_not_those_of_the_first_input_are_noticed(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(BatchDependenceError, match="boxes"):
            make(3, boxes=(2, 4)).cut("boxes", np.zeros(shape), 3)

    @pytest.mark.parametrize("shape", [(), (0, 4), (4,), (1, 3)])
    def test_that_cannot_be_cut_are_none(self, shape: tuple[int, ...]) -> None:
        assert share(np.zeros(shape), 3, 0) is None

    def test_have_as_many_units_as_values(self) -> None:
        assert make(2, t=(3, 4, 5)).units("t") == 60
        assert make(2, t=()).units("t") == 1


class TestSameness:
    a = np.array([1.0, -2.0, np.nan, 3.0], np.float32)

    def test_rounding_is_no_difference(self) -> None:
        assert same(self.a, self.a * np.float32(1 + 1e-5))
        assert same(np.zeros(3), np.zeros(3))
        assert same(np.zeros((0, 3)), np.zeros((0, 3)))

    @pytest.mark.parametrize(
        "other",
        [
            a * 1.1,
            a[::-1],
            np.nan_to_num(a),
            a.astype(np.float64),
            a[:3],
            -a,
            np.where(a == 3, np.inf, a).astype(np.float32),
            None,
        ],
    )
    def test_everything_else_is(self, other: np.ndarray | None) -> None:
        assert not same(self.a, other)
        assert not same(other, self.a)

    def test_whole_numbers_truth_values_and_words_are_compared_too(self) -> None:
        assert same(np.array([7]), np.array([7]))
        assert not same(np.array([7]), np.array([8]))
        assert not same(np.array([0]), np.array([1]))
        assert same(np.array([True, False]), np.array([True, False]))
        assert not same(np.array([True, False]), np.array([True, True]))
        assert not same(np.array(["a"], object), np.array(["b"], object))


class TestNeighbour:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (-3, 3), (0, 0), (5, 5), (0, 6e4)])
    def test_differs_and_stays_where_the_model_expects_inputs(
        self, low: float, high: float, dtype: str
    ) -> None:
        batch = np.random.default_rng(0).uniform(low, high, (2, 3, 8)).astype(dtype)
        other = neighbour(batch)
        assert other.shape == batch.shape[1:]
        assert other.dtype == batch.dtype
        assert not same(batch[0], other)
        assert other.min() >= low / 2
        assert other.max() <= max(high, 1)

    def test_of_an_input_that_is_not_finite_is_made_all_the_same(self) -> None:
        other = neighbour(np.array([[np.nan, np.inf, 1.0, 2.0]], np.float32))
        assert np.isfinite(other[:2]).all()
