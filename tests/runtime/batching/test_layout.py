"""Distribution of inputs over runs, and splitting of tensors into samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.runtime.batching.independence import (
    BatchDependenceError,
    sample,
)
from onnx_ood.runtime.batching.layout import Layout


def make(rows: int, fixed: bool = False, **shapes: tuple[int, ...]) -> Layout:
    return Layout(batch_size=rows, fixed=fixed, shapes=shapes, bytes_per_sample={})


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
        runs = Layout(batch_size=rows, fixed=False, shapes={}, bytes_per_sample={}, even=True).runs(
            count, beside
        )
        assert [i for run in runs for i in run] == list(range(count))
        sizes = [len(run) for run in runs]
        assert max(sizes) <= rows
        assert max(sizes) - min(sizes) <= 1
        assert len(runs) >= min(beside, count)

    def test_keep_the_size_that_the_user_chose(self) -> None:
        assert [len(run) for run in make(4).runs(9, 2)] == [4, 4, 1]


class TestSamples:
    def test_are_equal_parts_of_the_first_axis(self) -> None:
        array = np.arange(24).reshape(6, 4)
        shares = make(3, t=(2, 4)).split("t", array, 3)
        assert shares.shape == (3, 2, 4)
        np.testing.assert_array_equal(shares[1], array[2:4])
        for i in (0, 1, 2, -1):
            np.testing.assert_array_equal(sample(array, 3, i), shares[i])

    def test_of_one_input_are_the_whole_tensor_whatever_its_shape(self) -> None:
        for array in (np.float32(1), np.zeros(0), np.zeros((5, 2))):
            assert sample(np.asarray(array), 1, 0) is not None
            assert make(4, t=(9, 9)).split("t", np.asarray(array), 1).shape == (1, *np.shape(array))

    @pytest.mark.parametrize("shape", [(), (5, 4), (6, 5), (4, 4), (6, 4, 1), (0, 4)])
    def test_that_are_not_those_of_the_first_input_are_noticed(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(BatchDependenceError, match="boxes"):
            make(3, boxes=(2, 4)).split("boxes", np.zeros(shape), 3)

    @pytest.mark.parametrize("shape", [(), (0, 4), (4,), (1, 3)])
    def test_that_cannot_be_cut_are_none(self, shape: tuple[int, ...]) -> None:
        assert sample(np.zeros(shape), 3, 0) is None

    def test_have_as_many_units_as_values(self) -> None:
        assert make(2, t=(3, 4, 5)).units("t") == 60
        assert make(2, t=()).units("t") == 1

    @given(batch_size=st.integers(1, 5), axis=st.integers(0, 2))
    def test_are_joined_again(self, batch_size: int, axis: int) -> None:
        shape = (2, 3, 4)
        layout = Layout(
            batch_size=batch_size, fixed=False, shapes={"t": shape}, bytes_per_sample={}, axes={"t": axis}
        )
        samples = np.random.default_rng(0).normal(size=(batch_size, *shape))
        whole = np.concatenate(samples, axis=axis)
        np.testing.assert_array_equal(layout.join("t", samples), whole)
        np.testing.assert_array_equal(layout.split("t", whole, batch_size), samples)
