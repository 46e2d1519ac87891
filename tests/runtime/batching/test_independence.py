"""Batch independence: samples that are equal but for rounding, and companions that differ."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.runtime.batching.independence import companion, equal_but_for_rounding


class TestSameness:
    a = np.array([1.0, -2.0, np.nan, 3.0], np.float32)

    def test_rounding_is_no_difference(self) -> None:
        assert equal_but_for_rounding(self.a, self.a * np.float32(1 + 1e-5))
        assert equal_but_for_rounding(np.zeros(3), np.zeros(3))
        assert equal_but_for_rounding(np.zeros((0, 3)), np.zeros((0, 3)))

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
        assert not equal_but_for_rounding(self.a, other)
        assert not equal_but_for_rounding(other, self.a)

    def test_whole_numbers_truth_values_and_words_are_compared_too(self) -> None:
        assert equal_but_for_rounding(np.array([7]), np.array([7]))
        assert not equal_but_for_rounding(np.array([7]), np.array([8]))
        assert not equal_but_for_rounding(np.array([0]), np.array([1]))
        assert equal_but_for_rounding(np.array([True, False]), np.array([True, False]))
        assert not equal_but_for_rounding(np.array([True, False]), np.array([True, True]))
        assert not equal_but_for_rounding(np.array(["a"], object), np.array(["b"], object))


class TestCompanion:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (-3, 3), (0, 0), (5, 5), (0, 6e4)])
    def test_differs_and_stays_where_the_model_expects_inputs(
        self, low: float, high: float, dtype: str
    ) -> None:
        batch = np.random.default_rng(0).uniform(low, high, (2, 3, 8)).astype(dtype)
        other = companion(batch)
        assert other.shape == batch.shape[1:]
        assert other.dtype == batch.dtype
        assert not equal_but_for_rounding(batch[0], other)
        assert other.min() >= low / 2
        assert other.max() <= max(high, 1)

    def test_of_an_input_that_is_not_finite_is_made_all_the_same(self) -> None:
        other = companion(np.array([[np.nan, np.inf, 1.0, 2.0]], np.float32))
        assert np.isfinite(other[:2]).all()
