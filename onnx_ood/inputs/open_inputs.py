"""The entry point for inputs of all types: paths, globs, arrays and images."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, TextIO

import numpy as np
from PIL import Image

from onnx_ood._arguments import check_unmasked
from onnx_ood._limits import MIN_REFERENCES
from onnx_ood._types import Array
from onnx_ood.exceptions import InputTypeError, UsageError
from onnx_ood.inputs.discover import discover
from onnx_ood.inputs.files import quoted, reason_of
from onnx_ood.inputs.in_memory import MemoryInput
from onnx_ood.inputs.rows.picture_arrays import CHANNELS
from onnx_ood.inputs.shapes import shape_text
from onnx_ood.inputs.source import InputSource

TAKEN = (
    "a path or glob, an array [N, ...], a PIL image, a list of one of these, or a mapping of names to arrays"
)
"""Types accepted by `open_inputs`, for messages."""


# Types that can be iterated over and hold no inputs in order.
_REFUSED = (bytes, bytearray, memoryview, Set, io.IOBase)
_TEXTS = "OUT"  # kinds of arrays of strings and objects


def open_inputs(inputs: Any, *, name: str = "inputs", stdin: TextIO | None = None) -> InputSource:
    """Find what a user gives as inputs, in order. No file is opened and no model is needed.

    Taken are:

    - a file, folder or glob as `str` or `os.PathLike`, or several of them (see `discover`). A string is one path, never
      its characters. `-` reads paths from `stdin`, and is a file name if `stdin` is None;
    - an array [N, ...], or a list of arrays, one per input. uint8 arrays [N, H, W], [N, H, W, C] and [N, C, H, W] of 1,
      3 (RGB) or 4 (RGBA) channels are pictures and go through preprocessing, unless the model takes uint8 tensors of
      that shape; one uint8 array [H, W, 3] or [H, W, 4] is one picture. The same holds for .npy and .npz files. All
      other arrays are tensors as the model takes them, [N, *input], not scaled or normalised;
    - a PIL image, or several of them;
    - a mapping from names of the model's inputs to arrays, for models of several inputs: [N, ...] each, row k without
      the batch axis belonging to input k;
    - an `InputSource`, returned as it is, or None for no inputs.

    Arrays are numpy arrays and everything that has `__array__` or `__dlpack__`, such as torch tensors on the CPU. They
    are not copied: changing them before they are read changes what is read.

    Inputs in memory are named after the argument: `inputs[0]`, `inputs[1]`, ...

    Args:
        inputs: The inputs.
        name: Name of the argument, for messages and ids.
        stdin: Stream that `-` reads one path per line from; only the command line gives one.

    Returns:
        The inputs; `missing` lists paths that match nothing.

    Raises:
        InputTypeError: If inputs are of other types, or of several types.
        UsageError: If an array holds no inputs, or standard input is not text.

    >>> source = open_inputs(np.zeros((2, 8, 8, 3), np.uint8))
    >>> source.names
    ('inputs[0]', 'inputs[1]')
    """
    if inputs is None:
        return InputSource()
    if isinstance(inputs, InputSource):
        return inputs
    if _is_path(inputs):
        return _paths([inputs], name, stdin)
    if isinstance(inputs, Image.Image):
        return _memory([inputs], name)
    if isinstance(inputs, Mapping):
        return _memory(_mapping(inputs, name), name) if inputs else InputSource()
    if _is_array(inputs):
        array = _as_array(inputs, name)
        if array.dtype.kind in _TEXTS:  # np.array(["a.png"]), or a column of a table
            return _sequence(array.ravel().tolist(), name, stdin)
        return _memory(_rows(_numbers(array, name), name), name)
    if not isinstance(inputs, Iterable) or isinstance(inputs, _REFUSED):
        raise InputTypeError(f"{name}: found {_type(inputs)}; expected {TAKEN}")
    return _sequence(list(inputs), name, stdin)


def open_references(reference: Any) -> InputSource:
    """Open known-good inputs.

    Args:
        reference: Inputs as `open_inputs` takes them; None for none.

    Raises:
        UsageError: If a collection is given and empty: its owner would believe that inputs are flagged.
    """
    source = open_inputs(reference, name="reference")
    if reference is not None and not source.given:
        raise UsageError(
            f"reference is empty; give at least {MIN_REFERENCES} known-good inputs, or None to use no references"
        )
    return source


def _sequence(items: list[Any], name: str, stdin: TextIO | None) -> InputSource:
    types = {"paths": _is_path, "images": lambda one: isinstance(one, Image.Image), "arrays": _is_array}
    found = [next((kind for kind, is_one in types.items() if is_one(item)), None) for item in items]
    for at, item in enumerate(items):
        if found[at] is None:
            hint = f"; for numbers use np.asarray({name})" if isinstance(item, int | float | list) else ""
            raise InputTypeError(f"{name}[{at}]: found {_type(item)}; expected {TAKEN}{hint}")
        if found[at] != found[0]:
            raise InputTypeError(
                f"{name}: mixes {found[0]} ({name}[0] is {_type(items[0])}) and {found[at]} ({name}[{at}] is "
                f"{_type(item)}); give one type"
            )
    if not items or found[0] == "paths":
        return _paths(items, name, stdin)
    if found[0] == "images":
        return _memory(items, name)
    return _memory([_single(item, f"{name}[{at}]") for at, item in enumerate(items)], name)


def _paths(paths: list[Any], name: str, stdin: TextIO | None) -> InputSource:
    texts = [os.fspath(path) for path in paths]
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputTypeError(f"{name}[{at}]: found a path of bytes; use os.fsdecode")
    # Only the command line has a standard input of its own; in Python `-` is a file name.
    return discover([f"./{text}" if text == "-" and stdin is None else text for text in texts], stdin=stdin)


def _memory(values: Iterable[Any], name: str) -> InputSource:
    return InputSource(tuple(MemoryInput(f"{name}[{at}]", value) for at, value in enumerate(values)))


def _rows(array: Array, name: str) -> Iterable[Array]:
    """Split an array [N, ...] into inputs; one picture is one input."""
    if array.ndim == 3 and array.dtype == np.uint8 and array.shape[2] in (3, 4):
        return [array]
    if array.ndim == 0 or not array.size:
        raise UsageError(
            f"{name}: found an array of shape {shape_text(array.shape)}; expected one or more inputs along axis 0"
        )
    return array


def _single(value: Any, name: str) -> Array:
    """One input of a list of arrays."""
    array = _numbers(_as_array(value, name), name)
    if not array.size:
        raise UsageError(f"{name}: found an array of shape {shape_text(array.shape)}, which holds no values")
    picture = (
        array.dtype == np.uint8 and {array.shape[1], array.shape[3]} & {*CHANNELS}
        if array.ndim == 4
        else False
    )
    return array[0] if picture and len(array) == 1 else array


def _mapping(arrays: Mapping[Any, Any], name: str) -> Iterator[Mapping[str, Array]]:
    """Split a mapping of arrays into inputs, row by row."""
    for key, value in arrays.items():
        if not isinstance(key, str) or not _is_array(value):
            raise InputTypeError(
                f"{name}: found a mapping from {_type(key)} to {_type(value)}; expected model inputs and arrays"
            )
    found = {key: _numbers(_as_array(value, name), f"{name}[{key!r}]") for key, value in arrays.items()}
    lengths = {key: len(array) if array.ndim else 0 for key, array in found.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise UsageError(
            f"{name}: found arrays of lengths {', '.join(f'{quoted(key)}: {size}' for key, size in lengths.items())}; "
            "expected one row per input in each"
        )
    return ({key: array[at] for key, array in found.items()} for at in range(next(iter(lengths.values()))))


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


def _is_array(value: Any) -> bool:
    # PIL images have an array interface too, but say more than their pixels.
    return (hasattr(value, "__array__") or hasattr(value, "__dlpack__")) and not isinstance(
        value, Image.Image | type
    )


def _as_array(value: Any, name: str) -> Array:
    check_unmasked(value, name)
    try:
        array: Array = np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value)
    # Other libraries raise what they like: torch RuntimeError (gradients) and TypeError (other devices).
    except Exception as error:
        raise InputTypeError(f"{name}: {_type(value)} gives no numpy array ({reason_of(error)})") from None
    return array


def _numbers(array: Array, name: str) -> Array:
    if array.dtype.kind not in "biuf":
        raise InputTypeError(
            f"{name}: found an array of {array.dtype}; expected booleans, integers or floats"
        )
    return array


def _type(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
