"""Compiled patterns against numpy's packing of bits."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

from onnx_ood.runtime.kernels.pattern_bits import channel_places, differing_bits, pack, packed_bytes


@pytest.mark.parametrize(("units", "size"), [(1, 8), (64, 8), (65, 16), (128, 16)])
def test_a_pattern_takes_whole_words(units: int, size: int) -> None:
    assert packed_bytes(units, 1) == size
    assert packed_bytes(units, 3) == 3 * size


@pytest.mark.parametrize("units", [1, 7, 8, 13, 64, 71])
@pytest.mark.parametrize("above", [[0.0], [-0.5, 0.25]])
def test_bits_are_comparisons_with_the_thresholds(units: int, above: list[float]) -> None:
    values, limits = small_models.normal(3, units), np.array(above, np.float32)
    values[0, 0] = limits[0]  # Equal is not above.
    rows = np.array([4, 0, 2])
    out = np.zeros((5, packed_bytes(units, len(above))), np.uint8)
    assert pack(values, limits, rows, out) == 0
    each = out.shape[1] // len(above)
    for row, place in zip(values, rows, strict=True):
        for i, limit in enumerate(limits):
            bits = np.unpackbits(out[place, i * each : (i + 1) * each], bitorder="little")
            np.testing.assert_array_equal(bits[:units], row > limit)
            assert not bits[units:].any()
    assert not out[[1, 3]].any()


def test_values_that_are_nan_are_counted() -> None:
    values = np.array([[np.nan, 1.0, np.inf], [0.0, np.nan, np.nan]])
    assert pack(values, np.zeros(1), np.arange(2), np.zeros((2, 8), np.uint8)) == 3


def test_distances_are_counts_of_different_bits() -> None:
    a, b = np.random.default_rng(0).integers(0, 256, (2, 20, 24), dtype=np.uint8)
    a[0], b[0], b[1] = 0, 255, a[1]
    expected = np.unpackbits(a ^ b, axis=1).sum(axis=1)
    np.testing.assert_array_equal(differing_bits(a, b), expected)
    assert (expected[0], expected[1]) == (24 * 8, 0)


def test_places_are_indices_into_a_channel() -> None:
    indices = np.arange(60).reshape(2, 3, 10)
    np.testing.assert_array_equal(
        channel_places(indices[:, ::2], 10), np.broadcast_to(np.arange(10), (2, 2, 10))
    )
