"""Inputs in memory through the reader, against the same inputs in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Batch, FailedInput, Preprocessing, Reader, RowRequest, open_inputs
from onnx_ood.inputs.in_memory import MemoryInput

CUT = Preprocessing(
    channels="RGB",
    layout="NCHW",
    size=(24, 20),
    resize="short-side",
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.3, 0.4),
)
GREY = Preprocessing(channels="L", layout="NHWC", size=(8, 8), resize="stretch")


def read(inputs: Any, preprocessing: Preprocessing | None = None, **changes: Any) -> list[Batch]:
    shape = ("N", *preprocessing.shape) if preprocessing else ("N", 3)
    options: dict[str, Any] = {"input_name": "x", "input_shape": shape, "batch": 4, "threads": 3}
    return list(Reader(open_inputs(inputs), preprocessing=preprocessing, **options | changes))


def tensors(batches: list[Batch]) -> np.ndarray[Any, Any]:
    assert not [failed for batch in batches for failed in batch.failed]
    return np.concatenate([batch.tensors for batch in batches])


@pytest.mark.parametrize("shape", [(40, 33), (40, 33, 3), (3, 40, 33)])
def test_pictures_in_mappings_give_the_tensors_of_the_same_npz(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (6, *shape), np.uint8)
    ages = np.arange(6, dtype=np.float64)[:, np.newaxis]
    np.savez(tmp_path / "one.npz", x=pictures)
    np.savez(tmp_path / "two.npz", x=pictures, age=ages)
    expected = tensors(read(pictures, CUT))
    for inputs in (tmp_path / "one.npz", {"x": pictures}):
        np.testing.assert_array_equal(tensors(read(inputs, CUT)), expected)
    age = RowRequest("age", ("N", 1), np.dtype(np.float32))
    for inputs in (tmp_path / "two.npz", {"x": pictures, "age": ages}):
        batches = read(inputs, CUT, others=[age])
        np.testing.assert_array_equal(tensors(batches), expected)
        found = np.concatenate([batch.others["age"] for batch in batches])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, ages)
    ages[2] = np.nan
    batches = read({"x": pictures, "age": ages}, CUT, others=[age])
    (failed,) = [failed for batch in batches for failed in batch.failed]
    assert (failed.id, failed.reason[:21]) == ("inputs[2]", "array 'age' holds NaN")
    for inputs, reason in (
        ({"x": pictures}, "holds no values of 'age'"),
        ({"x": pictures, "y": ages}, "'age'"),
    ):
        with pytest.raises(UsageError, match=reason):
            read(inputs, CUT, others=[age])
    (batch,) = read(list(pictures[:1]), CUT, others=[age])
    assert "holds no values of 'age'" in batch.failed[0].reason


@pytest.mark.parametrize("preprocessing", [CUT, GREY])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_arrays_and_images_give_the_tensors_of_the_same_pngs(
    tmp_path: Path, preprocessing: Preprocessing, channels: tuple[int, ...]
) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (7, 40, 33, *channels), np.uint8)
    images = [Image.fromarray(one[..., 0] if channels == (1,) else one) for one in stored]
    for at, image in enumerate(images):
        image.save(tmp_path / f"{at}.png")
    expected = tensors(read(tmp_path, preprocessing))
    opened = [Image.open(tmp_path / f"{at}.png") for at in range(7)]
    for inputs in (stored, list(stored), images, opened, stored[:, ::-1][:, ::-1]):
        batches = read(inputs, preprocessing)
        np.testing.assert_array_equal(tensors(batches), expected)
        assert [name for batch in batches for name in batch.ids] == [f"inputs[{k}]" for k in range(7)]
        assert [len(batch) for batch in batches] == [4, 3]


def test_images_are_turned_upright_as_files_are(tmp_path: Path) -> None:
    stored = np.random.default_rng(1).integers(0, 256, (30, 50, 3), np.uint8)
    image = Image.fromarray(stored)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    expected = tensors(read(tmp_path / "x.png", CUT))
    np.testing.assert_array_equal(tensors(read(Image.open(tmp_path / "x.png"), CUT)), expected)
    assert not np.array_equal(tensors(read([stored], CUT)), expected)


def test_one_image_given_twice_is_decoded_by_several_threads(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (300, 300, 3), np.uint8)).save(
        tmp_path / "x.png"
    )
    image = Image.open(tmp_path / "x.png")
    found = tensors(read([image] * 16, CUT, threads=8))
    assert (found == found[0]).all()


def test_tensors_are_those_of_the_same_npy(tmp_path: Path) -> None:
    stored = np.random.default_rng(3).random((9, 3))
    np.save(tmp_path / "x.npy", stored)
    expected = tensors(read(tmp_path / "x.npy"))
    for inputs in (stored, list(stored), list(stored[:, None])):
        np.testing.assert_array_equal(tensors(read(inputs)), expected)


def test_bytes_are_tensors_for_models_that_take_them() -> None:
    stored = np.random.default_rng(4).integers(0, 256, (5, 24, 20, 3), np.uint8)
    shape = ("N", 24, 20, 3)
    np.testing.assert_array_equal(tensors(read(stored, None, dtype=np.uint8, input_shape=shape)), stored)
    # Pictures of another size than the model's are resized.
    source = open_inputs(stored[:, :, :10])
    assert source.pictures(RowRequest("x", shape, np.dtype(np.uint8))).items == source.items


def test_bytes_are_no_pictures_for_models_of_tables() -> None:
    stored = np.arange(10, dtype=np.uint8).reshape(2, 5)
    reader = Reader(open_inputs(stored), preprocessing=None, input_name="x", input_shape=("N", 5))
    np.testing.assert_array_equal(tensors(list(reader)), stored)
    assert reader.notes == ("arrays of uint8 are handed to the float32 input by value, not scaled to 0-1",)


def test_grey_arrays_for_a_model_of_colours_are_noted() -> None:
    source = open_inputs(np.zeros((3, 30, 30), np.uint8))
    reader = Reader(source, preprocessing=CUT, input_name="x", input_shape=("N", *CUT.shape))
    assert reader.notes == ("uint8 arrays [N,H,W] are read as grey pictures; colour pictures are [N,H,W,3]",)


def test_rows_that_cannot_be_used_fail_by_name() -> None:
    stored = np.ones((4, 3))
    stored[1, 2] = np.nan
    (batch,) = read(stored)
    assert batch.ids == ("inputs[0]", "inputs[2]", "inputs[3]")
    reason = "holds NaN, infinity or a value outside the range of the model's type"
    assert batch.failed == (FailedInput("inputs[1]", reason),)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_images_without_pixels_fail(size: tuple[int, int]) -> None:
    (batch,) = read([Image.new("L", size), Image.new("L", (4, 4))], GREY)
    assert batch.failed == (FailedInput("inputs[0]", f"has no pixels ({size[0]}x{size[1]})"),)
    assert len(batch) == 1


def test_broken_images_fail_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (90, 90, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with Image.open(path) as broken:
        (batch,) = read([broken, Image.new("F", (9, 9))], CUT)
    assert [failed.id for failed in batch.failed] == ["inputs[0]", "inputs[1]"]
    assert batch.failed[0].reason.startswith("is a broken or truncated picture")
    assert batch.failed[1].reason.startswith("holds 32-bit pixels (mode F)")


def test_pictures_without_preprocessing_fail_by_name() -> None:
    (batch,) = read(Image.new("L", (8, 8)), None, input_shape=("N", 1, 8, 8))
    assert batch.failed == (
        FailedInput("inputs[0]", "is a picture; state its preprocessing with preprocess"),
    )


@pytest.mark.parametrize(
    ("inputs", "shape", "message"),
    [
        (
            np.zeros((2, 4, 5, 3)),
            ("N", 3, 4, 5),
            r"inputs\[0\]: has shape \[4,5,3\], but the model takes \[3,4,5\]; pictures are uint8 arrays \[N,H,W,3\]",
        ),
        (
            np.zeros(5),
            ("N", 5),
            r"has shape \[\], but the model takes \[5\]; axis 0 of an array counts the inputs",
        ),
        (np.zeros((2, 5)), ("N", "F", 3), r"has shape \[5\], but the model takes \[F,3\]"),
    ],
)
def test_shapes_that_do_not_fit_are_found_before_anything_is_read(
    inputs: Any, shape: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Reader(open_inputs(inputs), preprocessing=None, input_name="x", input_shape=shape)


def test_types_that_do_not_fit_are_found_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="holds float64, but the model takes int64; save it as int64"):
        read(np.zeros((2, 3)), dtype=np.int64)


OTHERS = (RowRequest("state", (2, "N", 3), np.dtype(np.float32), axis=1),)


def test_mappings_feed_several_inputs_as_an_npz_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    x, state = rng.random((5, 3)), rng.random((5, 2, 3))
    np.savez(tmp_path / "x.npz", x=x, state=state.swapaxes(0, 1))  # as the model takes it
    expected = read(tmp_path / "x.npz", others=OTHERS)
    found = read({"x": x, "state": state}, others=OTHERS)
    np.testing.assert_array_equal(tensors(found), tensors(expected))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.others["state"], other.others["state"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 3)), r"inputs\[0\]: holds no values of 'state', which the model takes too"),
        ({"x": np.zeros((2, 3))}, "holds no values of 'state', which the model takes too"),
        ({"y": np.zeros((2, 3)), "state": np.zeros((2, 2, 3))}, "holds no array 'x', .*; it holds: y, state"),
        (
            {"x": np.zeros((2, 3)), "state": np.zeros((2, 2, 3)), "z": np.zeros(2)},
            "holds an array 'z'; expected: x, state",
        ),
        (
            {"x": np.zeros((2, 3)), "state": np.zeros((2, 3, 3))},
            r"has shape \[3,3\], but the model takes \[2,3\]",
        ),
    ],
)
def test_mappings_that_do_not_fit_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(inputs, others=OTHERS)


def test_skipped_inputs_are_left_out() -> None:
    (batch,) = read(np.zeros((4, 3)), skip=lambda name: name == "inputs[2]")
    assert batch.ids == ("inputs[0]", "inputs[1]", "inputs[3]")


def test_count_is_known() -> None:
    reader = Reader(open_inputs(np.zeros((7, 3))), preprocessing=None, input_name="x", input_shape=("N", 3))
    assert reader.count() == 7


def test_digests_are_those_of_content() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 256, (2, 6, 5, 3), np.uint8)
    one = MemoryInput("a", a).digest()
    assert one == MemoryInput("other", a.copy()).digest()
    assert one == MemoryInput("image", Image.fromarray(a)).digest()
    others: list[Any] = [b, a.astype(np.int8), a.reshape(5, 6, 3), {"x": a}, {"y": a}]
    assert len({one, *(MemoryInput("o", other).digest() for other in others)}) == 6
