"""uint8 arrays in files are pictures: equal to the same pictures saved as PNG and read by Pillow."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onnx_ood.inputs import InputSource, Preprocessing, Reader, RowRequest, open_inputs, parse
from onnx_ood.inputs.rows.file_types import count_rows

PHOTOS = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), np.uint8)
SHAPE = (None, 3, 8, 8)


def read(
    source: InputSource, spec: str | None, shape: Any = SHAPE, dtype: Any = np.float32, **options: Any
) -> Any:
    preprocessing = None if spec is None else parse(spec, shape)
    reader = Reader(
        source, preprocessing=preprocessing, input_name="x", input_shape=shape, dtype=dtype, **options
    )
    batches = list(reader)
    tensors = np.concatenate([batch.tensors for batch in batches])
    return (
        tensors,
        [name for batch in batches for name in batch.ids],
        [f for b in batches for f in b.failed],
        reader,
    )


def expected(folder: Path, pictures: NDArray[np.uint8], spec: str, shape: Any = SHAPE) -> NDArray[np.float32]:
    """Tensors of the same pictures, saved as files."""
    for at, one in enumerate(pictures):
        Image.fromarray(one).save(folder / f"{at}.png")
    preprocessing: Preprocessing = parse(spec, shape)
    return np.stack([preprocessing.tensor(folder / f"{at}.png") for at in range(len(pictures))])


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_colour_arrays_are_preprocessed_as_files_are(tmp_path: Path, layout: str, suffix: str) -> None:
    stored = PHOTOS if layout == "NHWC" else PHOTOS.transpose(0, 3, 1, 2)
    path = tmp_path / f"x{suffix}"
    np.save(path, stored) if suffix == ".npy" else np.savez(path, images=stored, labels=np.arange(5))
    want = expected(tmp_path, PHOTOS, "imagenet,stretch,BGR")
    tensors, ids, failed, _ = read(open_inputs(path), "imagenet,stretch,BGR")
    np.testing.assert_array_equal(tensors, want)
    assert ids == [f"{path.as_posix()}[{k}]" for k in range(5)]
    assert not failed
    in_memory, *_ = read(open_inputs(stored), "imagenet,stretch,BGR")
    np.testing.assert_array_equal(in_memory, want)


def test_grey_arrays_are_preprocessed_and_noted_for_a_colour_model(tmp_path: Path) -> None:
    grey = PHOTOS[..., 0]
    np.save(tmp_path / "g.npy", grey)
    source = open_inputs(tmp_path / "g.npy")
    tensors, _, _, reader = read(source, "unit,L,none", (None, 1, 12, 10))
    # Closed form: unit is v / 255.
    np.testing.assert_allclose(tensors[:, 0], grey / 255, rtol=1e-7)
    assert reader.notes == ()
    tensors, _, _, reader = read(source, "unit,none", (None, 3, 12, 10))
    np.testing.assert_allclose(tensors[:, 2], grey / 255, rtol=1e-7)
    assert reader.notes == ("uint8 arrays [N,H,W] are read as grey pictures; colour pictures are [N,H,W,3]",)


@pytest.mark.parametrize("shape", [(12, 10, 3), (12, 10), (3, 12, 10)], ids=["HWC", "HW", "CHW"])
def test_one_picture_is_one_input(tmp_path: Path, shape: tuple[int, ...]) -> None:
    picture = PHOTOS[0] if 3 in shape else PHOTOS[0, ..., 0]
    np.save(tmp_path / "one.npy", picture.transpose(2, 0, 1) if shape[0] == 3 else picture)
    tensors, ids, _, _ = read(open_inputs(tmp_path / "one.npy"), "unit,none", (None, 3, 12, 10))
    assert ids == [(tmp_path / "one.npy").as_posix()]
    wide = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
    np.testing.assert_allclose(tensors[0], wide.transpose(2, 0, 1) / 255, rtol=1e-7)


def test_tensors_of_the_models_own_type_stay_tensors(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PHOTOS)
    request = RowRequest("x", (None, None, None, 3), np.dtype(np.uint8))
    source = open_inputs(tmp_path / "x.npy")
    assert source.kinds(request) == (False, True)
    tensors, *_ = read(source, None, request.shape, np.uint8)
    np.testing.assert_array_equal(tensors, PHOTOS)
    # A model of integers that takes another shape gets pictures.
    tensors, *_ = read(source, "bytes,none", (None, 3, 12, 10), np.uint8)
    np.testing.assert_array_equal(tensors, PHOTOS.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("stored", "shape"),
    [
        (np.zeros((2, 5, 8, 8), np.uint8), (None, 5, 8, 8)),  # five channels are no picture
        (np.zeros((2, 3, 8, 8), np.float32), SHAPE),
        (np.zeros((2, 3, 8, 8), np.int64), SHAPE),
        (np.zeros((2, 30), np.uint8), (None, 30)),
    ],
)
def test_other_arrays_are_fed_as_they_are(tmp_path: Path, stored: Any, shape: Any) -> None:
    np.save(tmp_path / "x.npy", stored)
    source = open_inputs(tmp_path / "x.npy")
    assert source.kinds(RowRequest("x", shape, np.dtype(np.float32))) == (False, True)
    tensors, *_ = read(source, None, shape)
    np.testing.assert_array_equal(tensors, stored.astype(np.float32))


def test_pictures_in_arrays_need_a_preprocessing(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PHOTOS)
    _, _, failed, _ = read(open_inputs(tmp_path / "x.npy"), None)
    assert failed[0].reason == "holds pictures (uint8); state their preprocessing with preprocess"


def test_a_row_of_an_array_file_is_a_picture_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PHOTOS)
    want = expected(tmp_path, PHOTOS, "unit")
    tensors, ids, _, _ = read(open_inputs(f"{tmp_path}/x.npy[3]"), "unit")
    np.testing.assert_array_equal(tensors, want[3:4])
    assert ids == [f"{tmp_path.as_posix()}/x.npy[3]"]


def test_a_picture_of_another_size_fails_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PHOTOS)
    _, _, failed, _ = read(open_inputs(tmp_path / "x.npy"), "unit,none")
    assert len(failed) == 5
    assert "exactly 8x8" in failed[0].reason


def test_photos_in_an_array_are_sampled_one_by_one(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PHOTOS)
    np.save(tmp_path / "y.npy", PHOTOS[0])
    request = RowRequest("x", SHAPE, np.dtype(np.float32))
    source = open_inputs(tmp_path).pictures(request)
    samples = [source.sample(5, seed, partial(count_rows, wanted=request)).items for seed in range(40)]
    names = [[item.id if hasattr(item, "id") else item.name for item in items] for items in samples]
    known = [*(f"x.npy[{k}]" for k in range(5)), "y.npy"]
    found = [[name.rpartition("/")[2] for name in some] for some in names]
    # In order, and each is left out by some seed.
    assert all(some == [name for name in known if name in some] and len(some) == 5 for some in found)
    assert {name for some in found for name in known if name not in some} == set(known)
