"""One value for all inputs of a run, as a user states it for an input of the model: `zeros`, `16000`, `state.npy`."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, reason_in
from onnx_ood.inputs.rows.arrays import open_array, to_type
from onnx_ood.inputs.rows.other_inputs import fit
from onnx_ood.inputs.rows.protocol import RowRequest

GRAMMAR = "zeros, ones, a number or a .npy file"
"""Accepted forms of a value, for messages."""

_WORDS = {"zeros": 0, "ones": 1, "false": 0, "true": 1}


class SharedValue:
    """The value of an input that is the same for all inputs of a run.

    Attributes:
        wanted: The input.
        text: The value as it was stated.
        guessed: Whether 1 is taken for a size that nothing tells.
    """

    def __init__(self, text: str, wanted: RowRequest, fed: RowRequest) -> None:
        """Parse the value.

        A number fills the shape that the model declares. A size that it leaves open is that of the batch's axis of the
        same name; without a name, that of the batch's axis at the same place, if that has no name either and both
        inputs have equally many axes; else it is 1.

        Args:
            text: A word or a number, of which every element is made, or the path of an .npy file, which holds what
                belongs to one input: with the batch axis (of size 1) or without.
            wanted: The input.
            fed: The input that the batch feeds.

        Raises:
            InputError: If it is none of these, or doesn't fit the input. Without the input's name.
        """
        self.wanted = wanted
        self.text = text
        self.guessed = False
        # Of each axis but the batch's, its size, and the batch's axis whose size it takes instead.
        self._axes: list[tuple[int, int | None]] = []
        number = _number(text)
        if number is not None:
            self._value = _element(number, wanted.dtype)
            for axis, size in enumerate(wanted.shape):
                if axis != wanted.axis:
                    like = _like(axis, wanted, fed)
                    self._axes.append((size if isinstance(size, int) else 1, like))
                    self.guessed |= like is None and not isinstance(size, int)
        elif text.lower().endswith(".npy"):
            try:
                self._value = _share(Path(text), wanted)
            except InputError as error:
                raise InputError(reason_in(error, name_of(Path(text)))) from None
            self._axes = [(size, None) for size in self._value.shape]
        else:
            raise InputError(f"is none of: {GRAMMAR}")

    def rows(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Expand the value to the inputs of a batch.

        Args:
            shape: Shape [n, *input] of the batch.

        Returns:
            [n, *share], read-only.
        """
        share = [size if like is None else shape[like] for size, like in self._axes]
        return np.broadcast_to(self._value, (shape[0], *share))


def _like(axis: int, wanted: RowRequest, fed: RowRequest) -> int | None:
    """Find the axis of the fed input that determines an axis's size; None if unknown."""
    size = wanted.shape[axis]
    if isinstance(size, str):
        return fed.shape.index(size) if size in fed.shape else None
    if size is None and len(fed.shape) == len(wanted.shape) and fed.shape[axis] is None:
        return axis
    return None


def _number(text: str) -> int | float | None:
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _element(number: float, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert a number to a single element; InputError if the type cannot hold it."""
    if dtype.kind == "f":
        try:
            with np.errstate(over="ignore"):
                element = np.asarray(float(number)).astype(dtype)
        except OverflowError:
            element = np.asarray(np.inf)
        if np.isfinite(element):
            return element
    elif math.isfinite(number) and number == int(number):
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if low <= number <= high:
            return np.asarray(int(number), dtype)
    raise InputError(f"is not a value of {dtype.name}, the type of the input")


def _share(path: Path, wanted: RowRequest) -> npt.NDArray[Any]:
    """Read one input's value from an .npy file, in the model's type."""
    with open_array(path) as stored:
        shape, axis = fit(stored, wanted)
        if axis is not None and shape[axis] != 1:
            raise InputError(
                f"has {shape[axis]} rows, but all inputs share one; save an .npz with a row for each input"
            )
        values, unusable = to_type(stored.rows(0, len(stored)), wanted.dtype)
    if unusable.any():
        raise InputError(f"holds NaN, infinity or a value outside the range of {wanted.dtype.name}")
    values = values.reshape(shape)
    return values if axis is None else values.squeeze(axis)
