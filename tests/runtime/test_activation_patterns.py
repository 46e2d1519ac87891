"""Reading activation codes, against numpy on activations by onnx's reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from onnx_ood.exceptions import ModelError, SelectorError, UsageError
from onnx_ood.graph import find_units, load
from onnx_ood.runtime.activation_patterns import ActivationPatterns, PatternReader, distances
from onnx_ood.runtime.kernels.pattern_bits import differing_bits, pack, packed_bytes

Save = Callable[..., Path]


def reader_of(save: Save, model: ModelProto, **options: object) -> PatternReader:
    loaded = load(save(model))
    return PatternReader(loaded, find_units(loaded).sites, provider="cpu", **options)  # type: ignore[arg-type]


def values(model: ModelProto, names: list[str], **feeds: np.ndarray) -> list[np.ndarray]:
    """Tensors by onnx's reference."""
    return ReferenceEvaluator(small_models.marked(model, names)).run(names, feeds)


def away(z: np.ndarray, *thresholds: float) -> None:
    """The reference rounds otherwise, so points mustn't be nearer to a threshold than that."""
    assert min(np.abs(z - threshold).min() for threshold in thresholds) > 1e-6


@given(
    units=st.integers(1, 200),
    rows=st.integers(1, 3),
    thresholds=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=3),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_packing_and_comparing(units: int, rows: int, thresholds: list[float], seed: int, dtype: str) -> None:
    a, b = small_models.normal(2, rows, units, seed=seed, dtype=dtype)
    above = np.array(thresholds, dtype)
    order = np.random.default_rng(seed).permutation(rows)
    codes = []
    for z in (a, b):
        out = np.zeros((rows, packed_bytes(units, len(above))), np.uint8)
        assert pack(z, above, order, out) == 0
        planes = out[order].reshape(rows, len(above), -1)
        bits = np.unpackbits(planes, axis=-1, bitorder="little")
        np.testing.assert_array_equal(bits[..., :units], z[:, np.newaxis] > above[:, np.newaxis])
        assert not bits[..., units:].any()
        codes.append(out[order])
    levels = [(z[..., np.newaxis] > above).sum(axis=-1) for z in (a, b)]
    np.testing.assert_array_equal(differing_bits(*codes), np.abs(levels[0] - levels[1]).sum(axis=1))


def test_bits_are_those_of_the_pre_activations(save: Save) -> None:
    model = small_models.residual()
    x = small_models.normal(50, 4, seed=1)
    reader = reader_of(save, model)
    codes = reader.read(x)
    assert reader.units() == (4, 4)
    for found, z in zip(codes.at, values(model, ["h", "sum"], x=x), strict=True):
        away(z, 0)
        bits = np.unpackbits(found, axis=1, bitorder="little")[:, :4]
        np.testing.assert_array_equal(bits, z > 0)


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_distances_of_convolutions(batch_size: int | None, save: Save) -> None:
    """Whatever the order in which the runtime keeps channels, and however points are shared out to runs."""
    model = small_models.classifier()
    x = small_models.images(11)
    codes = reader_of(save, model, batch_size=batch_size).read(x)
    found = distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None)))
    for site, z in enumerate(values(model, ["conv1", "conv2"], image=x)):
        away(z, 0)
        flips = ((z[1:] > 0) != (z[:-1] > 0)).sum(axis=(1, 2, 3))
        np.testing.assert_array_equal(found[:, site], flips)


def clipped() -> ModelProto:
    return small_models.build(
        """
        clipped (float[N, 4] x) => (float[N, 32] y) { h = MatMul (x, w) y = Clip (h, low, high) }
        """,
        {"w": small_models.normal(4, 32), "low": np.float32(-0.5), "high": np.float32(1)},
    )


def test_two_thresholds_are_a_thermometer(save: Save) -> None:
    """The Hamming distance is the L1 distance of codes 0, 1, 2, as published for ReLU6."""
    x = small_models.normal(40, 4, seed=2)
    codes = reader_of(save, clipped()).read(x)
    (h,) = values(clipped(), ["h"], x=x)
    away(h, -0.5, 1)
    published = (h > -0.5).astype(int) + (h > 1)
    assert set(published.ravel()) == {0, 1, 2}
    found = distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None)))
    np.testing.assert_array_equal(found[:, 0], np.abs(np.diff(published, axis=0)).sum(axis=1))


def pooled() -> ModelProto:
    return small_models.build(
        """
        pooled (float[N, 2, 8, 8] x) => (float[N, 3, 3, 3] y) {
            h = Conv <pads = [1, 1, 1, 1]> (x, w)
            y = MaxPool <kernel_shape = [3, 3], strides = [2, 2]> (h)
        }
        """,
        {"w": small_models.normal(3, 2, 3, 3, seed=4)},
    )


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_places_of_the_largest(batch_size: int | None, save: Save) -> None:
    x = small_models.normal(10, 2, 8, 8, seed=3)
    reader = reader_of(save, pooled(), batch_size=batch_size)
    codes = reader.read(x)
    assert reader.batching_note == ""
    (h,) = values(pooled(), ["h"], x=x)
    windows = np.lib.stride_tricks.sliding_window_view(h, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    row, column = np.divmod(windows.reshape(10, 3, 3, 3, 9).argmax(axis=-1), 3)
    corner = 2 * np.arange(3)
    place = (corner[:, np.newaxis] + row) * 8 + corner + column
    np.testing.assert_array_equal(codes.at[0], place.reshape(10, -1))
    found = distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None)))
    np.testing.assert_array_equal(found[:, 0], (place[1:] != place[:-1]).sum(axis=(1, 2, 3)))


def test_a_fixed_batch_is_filled_up(save: Save) -> None:
    x = small_models.images(6)
    free = reader_of(save, small_models.classifier()).read(x)
    fixed = reader_of(save, small_models.classifier(rows=4)).read(x)
    assert len(fixed) == 6
    for a, b in zip(free.at, fixed.at, strict=True):
        assert differing_bits(a, b).sum() == 0


def test_points_may_lie_along_another_axis(save: Save) -> None:
    model = small_models.transposed()
    x = small_models.normal(5, 6, 4, seed=5)
    codes = reader_of(save, model).read(x)
    (h,) = values(model, ["h"], x=x)
    away(h, 0)
    bits = np.unpackbits(codes.at[0], axis=1, bitorder="little")[:, :24]
    np.testing.assert_array_equal(bits, h.transpose(1, 0, 2).reshape(5, -1) > 0)


def test_a_model_that_mixes_points_reads_one_at_a_time(save: Save) -> None:
    reader = reader_of(save, small_models.mixing())
    x = small_models.normal(3, 4)
    codes = reader.read(x)
    assert reader.batch_size == 1
    assert "one input at a time" in reader.batching_note
    for row in range(3):
        (t,) = values(small_models.mixing(), ["t"], x=x[row : row + 1])
        away(t, 0)
        bits = np.unpackbits(codes.at[0][row], bitorder="little")[:4]
        np.testing.assert_array_equal(bits, t[0] > 0)


@pytest.mark.parametrize(("kind", "dtype"), [("float16", np.float16), ("double", np.float64)])
def test_other_types_of_floats(kind: str, dtype: type[np.floating], save: Save) -> None:
    """Nothing is lost between a bound and the number before it."""
    model = small_models.build(
        f"g ({kind}[N, 4] x) => ({kind}[N, 4] y) {{ y = Clip (x, low, high) }}",
        {"low": np.array(0, dtype), "high": np.array(1, dtype)},
    )
    before, behind = np.nextafter(dtype(1), dtype(0)), np.nextafter(dtype(1), dtype(2))
    tiny = np.finfo(dtype).smallest_normal
    x = np.array([[before, behind, 0.5, -0.5], [tiny, -tiny, 3, before]], dtype)
    planes = reader_of(save, model).read(x).at[0].reshape(2, 2, -1)
    bits = np.unpackbits(planes, axis=-1, bitorder="little")[..., :4]
    np.testing.assert_array_equal(bits[:, 0], x > 0)
    np.testing.assert_array_equal(bits[:, 1], x > 1)


def test_other_inputs(save: Save) -> None:
    model = small_models.two_inputs()
    reader = reader_of(save, model, site="embedding")
    x = small_models.normal(3, 4, 6, seed=6)
    mask = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1]])
    others = {"mask": mask, "temperature": np.float32(1)}
    codes = reader.read(x, others)
    masked = mask[..., np.newaxis] * (x @ np.asarray(small_models.normal(6, 6, seed=30, scale=0.5)))
    bits = np.unpackbits(codes.at[0], axis=1, bitorder="little")[:, :24]
    np.testing.assert_array_equal(bits, masked.reshape(3, -1) > 0)
    with pytest.raises(UsageError, match="temperature"):
        reader.read(x, {"mask": mask})


def test_nan_has_no_code(save: Save) -> None:
    reader = reader_of(save, small_models.roots())
    assert len(reader.read(np.ones((2, 4)))) == 2
    with pytest.raises(ModelError, match="'y' is NaN for 3 units"):
        reader.read(np.array([[1.0, 1, 1, 1], [-1, -1, -1, 1]]))


def test_units_in_a_branch(save: Save) -> None:
    reader = reader_of(save, small_models.with_if(), site="x")
    x = small_models.normal(5, 4, seed=7)
    codes = reader.read(x, {"switch": np.array(True)})
    h = x @ small_models.normal(4, 4, seed=40)
    away(h, 0)
    np.testing.assert_array_equal(np.unpackbits(codes.at[0], axis=1, bitorder="little")[:, :4], h > 0)


def test_codes_of_some_points() -> None:
    codes = ActivationPatterns(
        (np.arange(8, dtype=np.uint8).reshape(1, 8).repeat(3, 0), np.arange(6, dtype=np.int32).reshape(3, 2))
    )
    assert codes.bytes_each == 16
    again = ActivationPatterns.joined([codes.subset([0]), codes.subset(slice(1, None))])
    for a, b in zip(again.at, codes.at, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_asked_for(save: Save) -> None:
    model = load(save(small_models.labels()))
    with pytest.raises(SelectorError, match="no units"):
        PatternReader(model, find_units(model).sites, provider="cpu")
    with pytest.raises(UsageError, match="batch_size=0 is too small"):
        reader_of(save, small_models.residual(), batch_size=0)
    with pytest.raises(UsageError, match="empty"):
        reader_of(save, small_models.residual()).read(np.zeros((0, 4)))
