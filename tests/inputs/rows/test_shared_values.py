from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import RowRequest, SharedValue

IDS = RowRequest("ids", ("N", "S"), np.dtype(np.int64))


def wanted(shape: tuple[Any, ...], dtype: str = "float32", axis: int | None = 0) -> RowRequest:
    return RowRequest("x", shape, np.dtype(dtype), axis)


def refused(text: str, one: RowRequest) -> str:
    with pytest.raises(InputError) as caught:
        SharedValue(text, one, IDS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("zeros", "float16", 0),
        ("ones", "int64", 1),
        ("true", "bool", True),
        ("0", "bool", False),
        ("16000", "int64", 16000),
        ("1e3", "uint16", 1000),
        ("-0.5", "float32", -0.5),
        ("9223372036854775807", "int64", 2**63 - 1),
        ("18446744073709551615", "uint64", 2**64 - 1),
    ],
)
def test_a_number_fills_every_element_in_the_model_s_type(text: str, dtype: str, value: float) -> None:
    rows = SharedValue(text, wanted(("N", 3), dtype), IDS).rows((4, 7))
    assert (rows.dtype, rows.shape) == (dtype, (4, 3))
    assert (rows == np.asarray(value, dtype)).all()
    assert SharedValue(text, wanted((), dtype, None), IDS).rows((4, 7)).shape == (4,)


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("2", "bool"),
        ("0.5", "int64"),
        ("256", "uint8"),
        ("-1", "uint8"),
        ("70000", "float16"),
        ("nan", "float32"),
        ("inf", "int32"),
        ("-inf", "float64"),
        ("1" + "0" * 400, "float64"),
    ],
)
def test_a_number_that_the_type_cannot_hold_is_refused(text: str, dtype: str) -> None:
    assert refused(text, wanted(("N", 3), dtype)) == f"is not a value of {dtype}, the type of the input"


@pytest.mark.parametrize("text", ["", "zero", "x.npz", "1,2", "[1]", "9" * 5000 + "x"])
def test_anything_else_is_refused(text: str) -> None:
    assert refused(text, wanted(("N", 3))) == "is none of: zeros, ones, a number or a .npy file"


@pytest.mark.parametrize(
    ("shape", "axis", "fed", "batch", "share", "guessed"),
    [
        (("N", "S"), 0, ("N", "S"), (4, 7), (7,), False),
        (("N", 1, "S", "S"), 0, ("N", "S"), (4, 7), (1, 7, 7), False),
        ((2, "N", 5), 1, ("N", 16), (4, 16), (2, 5), False),
        ((2, None, 5), 1, (None, None), (4, 16), (2, 5), False),
        ((None, None), 0, (None, None), (4, 16), (16,), False),
        ((None, None), 0, ("N", "S"), (4, 16), (1,), True),
        ((None, None, None), 0, (None, None), (4, 16), (1, 1), True),
        (("N", "past"), 0, ("N", "S"), (4, 16), (1,), True),
        ((2, "p", "q"), None, ("N", "S"), (4, 16), (2, 1, 1), True),
        (("S", 2), None, ("N", "S"), (4, 16), (16, 2), False),
    ],
)
def test_open_sizes_are_those_of_the_batch(
    shape: Any, axis: int | None, fed: Any, batch: Any, share: Any, guessed: bool
) -> None:
    value = SharedValue("ones", wanted(shape, axis=axis), RowRequest("ids", fed, np.dtype(np.int64)))
    assert value.rows(batch).shape == (batch[0], *share)
    assert value.guessed is guessed


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 4)])
def test_a_file_holds_what_belongs_to_one_input(tmp_path: Path, shape: tuple[int, ...]) -> None:
    state = np.arange(8.0).reshape(2, 4)
    np.save(tmp_path / "x.npy", np.asfortranarray(state.reshape(shape)))
    value = SharedValue(str(tmp_path / "x.npy"), wanted((2, "N", 4), axis=1), IDS)
    rows = value.rows((3, 7))
    assert (rows.dtype, value.guessed) == ("float32", False)
    np.testing.assert_array_equal(rows, np.stack([state] * 3))


def test_a_file_may_hold_a_scalar(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.int16(7))
    assert SharedValue(str(tmp_path / "x.npy"), wanted((), "int64", None), IDS).rows((2, 7)).tolist() == [
        7,
        7,
    ]


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (np.zeros((2, 3, 4)), "has 3 rows, but all inputs share one; save an .npz with a row for each input"),
        (np.zeros((3, 4)), "has shape [3,4], but the model takes [2,N,4]"),
        (np.full((2, 4), np.nan), "holds NaN, infinity or a value outside the range of float32"),
        (np.full((2, 4), 1e300), "holds NaN, infinity or a value outside the range of float32"),
        (np.array([[None]]), "holds Python objects (pickled), which are never read; save numbers"),
        (np.zeros((2, 0, 4)), "holds no values (shape [2,0,4])"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, stored: Any, reason: str) -> None:
    np.save(tmp_path / "x.npy", stored)
    assert refused(str(tmp_path / "x.npy"), wanted((2, "N", 4), axis=1)) == reason


def test_a_file_of_another_type_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 3)))
    assert (
        refused(str(tmp_path / "x.npy"), IDS) == "holds float64, but the model takes int64; save it as int64"
    )
    assert refused(str(tmp_path / "none.npy"), IDS) == "no such file; check the path"
