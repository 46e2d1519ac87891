"""Archives that hold several inputs of a model, as batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnx_ood.inputs import Batch, Preprocessing, Reader, RowRequest

MASK = RowRequest("mask", ("N", "T"), np.dtype(np.int64))
STATE = RowRequest("state", (2, "N", 3), np.dtype(np.float32), 1)
RATE = RowRequest("rate", (), np.dtype(np.int64), None)


def read(
    *paths: Path, others: tuple[RowRequest, ...] | None = (MASK, STATE, RATE), **changes: Any
) -> list[Batch]:
    options: dict[str, Any] = {
        "preprocessing": None,
        "input_name": "x",
        "input_shape": ("N", "T"),
        "batch": 4,
    }
    return list(Reader(paths, others=others, **options | changes))


def arrays(count: int, length: int = 5, rate: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    return {
        "x": rng.standard_normal((count, length)),
        "mask": rng.integers(0, 2, (count, length)),
        "state": rng.standard_normal((2, count, 3)).astype(np.float32),
        "rate": np.array(rate),
    }


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_goes_with_a_row_stays_with_it(tmp_path: Path, order: Any) -> None:
    given = arrays(10)
    np.savez(tmp_path / "x.npz", **{name: np.asarray(values, order=order) for name, values in given.items()})
    batches = read(tmp_path / "x.npz")
    assert [len(batch) for batch in batches] == [4, 4, 2]
    for name, values in (("mask", given["mask"]), ("state", given["state"].transpose(1, 0, 2))):
        np.testing.assert_array_equal(np.concatenate([batch.others[name] for batch in batches]), values)
    assert [batch.others["rate"].tolist() for batch in batches] == [[1] * 4, [1] * 4, [1] * 2]
    part = batches[0].part(1, 3)
    assert part.ids == batches[0].ids[1:3]
    np.testing.assert_array_equal(part.tensors, batches[0].tensors[1:3])
    np.testing.assert_array_equal(part.others["state"], given["state"].transpose(1, 0, 2)[1:3])


def test_files_share_a_batch_where_shapes_and_shared_values_agree(tmp_path: Path) -> None:
    for at, (length, rate) in enumerate([(5, 1), (5, 1), (5, 2), (6, 2)]):
        np.savez(tmp_path / f"{at}.npz", **arrays(2, length, rate))
    batches = read(*sorted(tmp_path.iterdir()), batch=9)
    assert [len(batch) for batch in batches] == [4, 2, 2]
    assert [batch.others["rate"][0] for batch in batches] == [1, 2, 2]


def test_a_bad_value_fails_its_row_alone(tmp_path: Path) -> None:
    given = arrays(6)
    given["state"][1, 2, 0] = np.nan
    given["x"][4, 0] = np.inf
    np.savez(tmp_path / "x.npz", **given)
    batches = read(tmp_path / "x.npz", batch=9)
    failed = {failure.id[-3:]: failure.reason for batch in batches for failure in batch.failed}
    assert failed["[2]"] == "array 'state' holds NaN, infinity or a value outside the range of float32"
    assert set(failed) == {"[2]", "[4]"}
    (batch,) = (batch for batch in batches if len(batch))
    np.testing.assert_array_equal(batch.others["mask"], given["mask"][[0, 1, 3, 5]])


def test_a_file_that_breaks_off_in_another_array_keeps_the_rows_before(tmp_path: Path) -> None:
    given = {"x": np.zeros((400, 1000)), "mask": np.random.default_rng(0).integers(0, 2**40, (400, 1000))}
    path = tmp_path / "x.npz"
    np.savez_compressed(path, **given)
    whole = bytearray(path.read_bytes())
    at = len(whole) * 3 // 4  # Amid the mask, which can't be compressed as well as the zeros before it.
    whole[at : at + 50] = bytes(50)
    path.write_bytes(whole)
    batches = read(path, others=(MASK,))
    (failure,) = [failure for batch in batches for failure in batch.failed]
    assert "is damaged" in failure.reason
    rows = sum(map(len, batches))
    assert 0 < rows < 400
    assert failure.id == f"{path.as_posix()}[{rows}:]"


def test_files_of_other_kinds_fail_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 5)))
    Image.new("L", (5, 5)).save(tmp_path / "x.png")
    batches = read(tmp_path / "x.npy", tmp_path / "x.png", others=(MASK, RATE))
    failed = [failure for batch in batches for failure in batch.failed]
    assert [failure.id.rsplit("/")[-1] for failure in failed] == ["x.npy", "x.png"]
    assert {failure.reason for failure in failed} == {
        "holds no values of 'mask', 'rate', which the model takes too; give an .npz with an array for each, "
        "or use feeds"
    }


def test_extra_arrays_are_named_where_the_model_has_several_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **arrays(3), labels=np.zeros(3), more=np.zeros(1))
    notes = {}
    for others in (None, (), (MASK, STATE, RATE)):
        reader = Reader(
            [tmp_path / "x.npz"], preprocessing=None, input_name="x", input_shape=("N", "T"), others=others
        )
        assert sum(map(len, reader)) == 3
        notes[others] = [note.split("'")[1] for note in reader.notes]
    assert list(notes.values()) == [[], ["mask", "state", "rate", "labels", "more"], ["labels", "more"]]


def test_pictures_do_with_shared_values_alone(tmp_path: Path) -> None:
    Image.new("L", (5, 4)).save(tmp_path / "x.png")
    unit = Preprocessing(channels="L", layout="NCHW", size=(4, 5), resize="none")
    (batch,) = read(tmp_path / "x.png", others=(), preprocessing=unit, input_shape=("N", 1, 4, 5))
    assert (len(batch), batch.others) == (1, {})
