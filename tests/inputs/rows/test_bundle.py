"""Archives with the values of several inputs, against the arrays in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import RowRequest
from onnx_ood.inputs.rows.bundle import open_bundle

X = RowRequest("x", ("N", 3), np.dtype("f4"), exact=True)
MASK = RowRequest("mask", ("N", 2), np.dtype("i8"), exact=True)
RATE = RowRequest("rate", (), np.dtype("f4"), None, exact=True)
VALUES = {
    "x": np.arange(12, dtype=np.float32).reshape(4, 3),
    "mask": np.arange(8).reshape(4, 2),
    "rate": np.array(0.5, np.float32),
}


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def test_each_row_comes_with_its_other_values(tmp_path: Path) -> None:
    bundle = open_bundle(saved(tmp_path, **VALUES), X, [MASK, RATE])
    assert (len(bundle.rows), bundle.notes) == (4, ())
    for i in range(4):
        np.testing.assert_array_equal(bundle.rows.rows(i, i + 1), VALUES["x"][i : i + 1])
        others = bundle.others(i)
        np.testing.assert_array_equal(others["mask"], VALUES["mask"][i])
        assert others["rate"] == 0.5
    assert bundle.row_bytes >= 2 * 8 + 4
    bundle.close()
    bundle.close()


def test_arrays_that_no_input_takes_are_noted(tmp_path: Path) -> None:
    path = saved(tmp_path, **VALUES)
    bundle = open_bundle(path, X, [MASK])
    assert bundle.notes == (
        "array 'rate' of .npz files was ignored: not an input of the model, or set by feeds",
    )
    bundle.close()
    # A model of one input has no use for a note.
    bundle = open_bundle(path, X, None)
    assert bundle.notes == ()
    bundle.close()


def test_missing_or_unequal_arrays_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no array 'rate', which the model takes too; it holds: "):
        open_bundle(saved(tmp_path, x=VALUES["x"], mask=VALUES["mask"]), X, [MASK, RATE])
    with pytest.raises(InputError, match="array 'mask' has 3 rows, but 'x' has 4"):
        open_bundle(saved(tmp_path, x=VALUES["x"], mask=VALUES["mask"][:3]), X, [MASK])
    np.save(tmp_path / "x.npy", VALUES["x"])
    with pytest.raises(InputError, match=r"x.npy: holds no values of 'mask', 'rate'"):
        open_bundle(tmp_path / "x.npy", X, [MASK, RATE])
