"""All types of inputs, against the files that hold the same."""

from __future__ import annotations

from collections import OrderedDict
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnx_ood.exceptions import InputTypeError, UsageError
from onnx_ood.inputs import FailedInput, InputSource, open_inputs

MASKED = np.ma.masked_array(np.zeros((2, 3)), mask=np.eye(2, 3))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.png"):
        Image.new("L", (3, 2)).save(name)
    return tmp_path


@pytest.mark.parametrize(
    "inputs",
    [
        "*.png",
        ".",
        Path(),
        ["a.png", Path("b.png")],
        ("a.png", "b.png"),
        np.array(["a.png", "b.png"]),
        np.array([Path("a.png"), Path("b.png")], object),
    ],
)
def test_paths_in_any_form_are_the_same_files(folder: Path, inputs: Any) -> None:
    assert open_inputs(inputs).paths == (Path("a.png"), Path("b.png"))


def test_iterators_of_paths_are_taken_once_through(folder: Path) -> None:
    assert sorted(open_inputs(folder.glob("*.png")).names) == [
        (folder / name).as_posix() for name in ("a.png", "b.png")
    ]


def test_a_string_is_one_path_and_never_its_characters(folder: Path) -> None:
    (folder / "x").write_text("")
    source = open_inputs("xxx")
    assert source.items == ()
    assert source.missing == (FailedInput("xxx", "no such file or folder; check the path"),)


def test_a_dash_reads_the_stream_that_is_given_and_is_a_file_in_python(folder: Path) -> None:
    assert open_inputs(["-"], stdin=StringIO("b.png\n")).names == ("b.png",)
    Image.new("L", (3, 2)).save(folder / "-", format="png")
    assert open_inputs("-").paths == (Path("-"),)
    (folder / "-").unlink()
    assert open_inputs("-").missing == (FailedInput("./-", "no such file or folder; check the path"),)


@pytest.mark.parametrize("nothing", [None, [], (), iter([])])
def test_nothing_is_no_inputs(nothing: Any) -> None:
    source = open_inputs(nothing)
    assert source == InputSource()
    assert not source.given


def test_a_source_stays_as_it_is(folder: Path) -> None:
    source = open_inputs("a.png")
    assert open_inputs(source) is source


@pytest.mark.parametrize(
    ("shape", "count", "each"),
    [
        ((4, 5, 6, 3), 4, (5, 6, 3)),
        ((4, 5, 6, 4), 4, (5, 6, 4)),
        ((4, 5, 6, 1), 4, (5, 6, 1)),
        ((4, 5, 6), 4, (5, 6)),
        ((5, 6, 3), 1, (5, 6, 3)),  # one colour picture
        ((5, 6, 4), 1, (5, 6, 4)),
        ((4, 3, 5, 6), 4, (3, 5, 6)),  # tensors by value
    ],
)
def test_arrays_of_bytes(shape: tuple[int, ...], count: int, each: tuple[int, ...]) -> None:
    stored = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    source = open_inputs(stored, name="reference")
    assert source.names == tuple(f"reference[{k}]" for k in range(count))
    found = [item.value for item in source.items]  # type: ignore[union-attr]
    assert [one.shape for one in found] == [each] * count  # type: ignore[union-attr]
    np.testing.assert_array_equal(np.stack(found).reshape(shape), stored)  # type: ignore[arg-type]


def test_floats_have_an_axis_of_inputs_always() -> None:
    assert open_inputs(np.zeros((8, 8, 3))).names == tuple(f"inputs[{k}]" for k in range(8))
    assert open_inputs([np.zeros((8, 8, 3))]).names == ("inputs[0]",)


def test_images_and_lists_of_arrays_are_one_input_each() -> None:
    image = Image.new("RGB", (3, 2))
    assert open_inputs(image).items[0].value is image  # type: ignore[union-attr]
    assert open_inputs([image, image]).names == ("inputs[0]", "inputs[1]")
    batches = [np.zeros((1, 6, 5, 3), np.uint8), np.zeros((7, 5), np.uint8)]
    assert [item.value.shape for item in open_inputs(batches).items] == [(6, 5, 3), (7, 5)]  # type: ignore[union-attr]


class OnlyDlpack:
    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class OnlyArray:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return np.arange(6.0).reshape(2, 3)


class OnDevice:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")


@pytest.mark.parametrize("value", [OnlyDlpack(np.arange(6.0).reshape(2, 3)), OnlyArray()])
def test_arrays_of_other_libraries_by_their_protocols(value: Any) -> None:
    rows = [item.value for item in open_inputs(value).items]  # type: ignore[union-attr]
    np.testing.assert_array_equal(np.stack(rows), [[0, 1, 2], [3, 4, 5]])  # type: ignore[arg-type]


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    rows = [item.value for item in open_inputs(torch.arange(6.0).reshape(2, 3)).items]  # type: ignore[union-attr]
    np.testing.assert_array_equal(np.stack(rows), [[0, 1, 2], [3, 4, 5]])  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"inputs: torch.Tensor gives no numpy array \(.*detach"):
        open_inputs(torch.zeros(2, 3, requires_grad=True))


def test_mappings_give_a_row_of_each_array_per_input() -> None:
    source = open_inputs(OrderedDict(x=np.arange(6).reshape(2, 3), state=np.arange(2.0)))
    assert source.names == ("inputs[0]", "inputs[1]")
    assert source.can_feed_several
    second: Any = source.items[1].value  # type: ignore[union-attr]
    np.testing.assert_array_equal(second["x"], [3, 4, 5])
    assert second["state"] == 1


class Opaque:
    pass


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (3, "inputs: found int; expected a path or glob, an array"),
        (b"a.png", "inputs: found bytes; expected"),
        ({"a.png"}, "inputs: found set; expected"),
        (StringIO("a.png"), "inputs: found _io.StringIO; expected"),
        ([[1.0, 2.0]], r"inputs\[0\]: found list; expected"),
        (["a.png", 3], r"inputs\[1\]: found int; expected"),
        ([Opaque()], r"inputs\[0\]: found .*test_open_inputs.Opaque; expected"),
        (
            ["a.png", np.zeros(3)],
            r"inputs: mixes paths \(inputs\[0\] is str\) and arrays \(inputs\[1\] is numpy.ndarray\); give one type",
        ),
        ([Image.new("L", (1, 1)), Path("a")], "inputs: mixes images .* and paths"),
        (
            np.zeros((2, 3), complex),
            "inputs: found an array of complex128; expected booleans, integers or floats",
        ),
        (np.array([1, None], object), r"inputs\[0\]: found int; expected"),
        ([np.zeros(2, "U3")], r"inputs\[0\]: found an array of <U3; expected booleans"),
        ({"x": [1, 2]}, "inputs: found a mapping from str to list; expected"),
        ({0: np.zeros(2)}, "inputs: found a mapping from int to numpy.ndarray; expected"),
        (OnDevice(), r"gives no numpy array \(can't convert cuda:0 .* Use Tensor.cpu\(\) first\)"),
    ],
)
def test_other_types_are_refused_by_name(inputs: Any, message: str) -> None:
    with pytest.raises(InputTypeError, match=message) as error:
        open_inputs(inputs)
    assert isinstance(error.value, UsageError)
    assert isinstance(error.value, TypeError)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((0, 3)), r"inputs: found an array of shape \[0,3\]; expected one or more inputs"),
        (np.float32(1), r"inputs: found an array of shape \[\]; expected one or more inputs"),
        ([np.zeros((3, 0))], r"inputs\[0\]: found an array of shape \[3,0\], which holds no values"),
        (
            {"x": np.zeros(2), "y": np.zeros(3)},
            "inputs: found arrays of lengths 'x': 2, 'y': 3; expected one row",
        ),
        ({"x": np.zeros(0)}, "inputs: found arrays of lengths 'x': 0"),
        ({"x": np.array(1.0)}, "inputs: found arrays of lengths 'x': 0"),
        (MASKED, r"inputs: found 2 masked values, .*array.filled"),
        ([np.zeros(2), MASKED[0]], r"inputs\[1\]: found 1 masked value,"),
        ({"x": MASKED}, "inputs: found 2 masked values"),
    ],
)
def test_arrays_without_inputs_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_inputs(inputs)


def test_nested_lists_of_numbers_are_refused_with_advice() -> None:
    with pytest.raises(
        InputTypeError, match=r"^inputs\[0\]: found list; .*; for numbers use np.asarray\(inputs\)$"
    ):
        open_inputs([[1.0, 2.0], [3.0, 4.0]])


def test_a_mask_that_hides_nothing_is_no_matter() -> None:
    source = open_inputs(np.ma.masked_array(np.ones((2, 3)), mask=False))
    np.testing.assert_array_equal([item.value for item in source.items], np.ones((2, 3)))
