"""Values in an .npz file for further inputs of the model."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, quoted
from onnx_ood.inputs.rows.arrays import MAX_ROW_BYTES, ArrayRows, check_type, open_array, to_type
from onnx_ood.inputs.rows.protocol import RowError, RowRequest
from onnx_ood.inputs.shapes import fits, shape_text


class OtherRows:
    """The values of one such input, row by row; made by `open_other`.

    Attributes:
        wanted: The input.
        count: How many rows there are; None where one value holds for all.
        row_bytes: Size of one row in memory.
    """

    def __init__(
        self, stored: ArrayRows, wanted: RowRequest, shape: tuple[int, ...], axis: int | None
    ) -> None:
        self.wanted = wanted
        self.count = None if wanted.axis is None else 1 if axis is None else shape[axis]
        self._stored = stored
        self._axis = axis
        self._shape = shape
        self._row = _without(shape, axis)
        self.row_bytes = math.prod(self._row) * wanted.dtype.itemsize
        self._whole: npt.NDArray[Any] | None = None

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._stored.close()

    def row(self, index: int) -> npt.NDArray[Any]:
        """Read the value for one row, in the model's type and without the batch axis.

        Raises:
            RowError: If it holds a value that the type can't hold.
            InputError: If the file is truncated, damaged, or changed while it is read.
        """
        values = self._stored_row(index).reshape(1, *self._row)
        converted, unusable = to_type(values, self.wanted.dtype)
        if unusable[0]:
            raise RowError(
                f"{name_of(self._stored.path)}: array {quoted(self.wanted.name)} holds NaN, infinity or a value "
                f"outside the range of {self.wanted.dtype.name}"
            )
        row: npt.NDArray[Any] = converted[0]
        return row

    def _stored_row(self, index: int) -> npt.NDArray[Any]:
        if self._axis == 0:
            return self._stored.rows(index, index + 1)
        # Only along the first axis does a file come in rows; along another it is read whole, once.
        if self._whole is None:
            self._whole = self._stored.rows(0, len(self._stored)).reshape(self._shape)
        return self._whole if self._axis is None else np.take(self._whole, index, self._axis)


def open_other(path: Path, wanted: RowRequest) -> OtherRows:
    """Open the array of an .npz that goes by an input's name; only headers are read.

    It has one value a row along the input's batch axis, or, without that axis, the value of a single row. For an
    input without a batch axis it is the value that all rows share.

    Args:
        path: The .npz.
        wanted: The input.

    Raises:
        InputError: If the file has no such array, or one that can't be read or doesn't fit the input.
    """
    stored = open_array(path, input_name=wanted.name, exact=True)
    try:
        shape, axis = fit(stored, wanted)
    except InputError as error:
        stored.close()
        raise InputError(f"{name_of(path)}: array {quoted(wanted.name)} {error}") from None
    return OtherRows(stored, wanted, shape, axis)


def fit(stored: ArrayRows, wanted: RowRequest) -> tuple[tuple[int, ...], int | None]:
    """Interpret an array as values of an input, with or without the batch axis.

    Args:
        stored: The array.
        wanted: The input.

    Returns:
        The array's shape, and which of its axes holds the inputs of a batch: None if it is one value.

    Raises:
        InputError: If its type or shape doesn't fit, or too much would have to be read at once; without a file name.
    """
    check_type(stored.dtype, wanted.dtype)
    shape = stored.shape[1:] if stored.single else stored.shape
    axis = wanted.axis if len(shape) == len(wanted.shape) else None
    row = _without(shape, axis)
    if not fits(row, wanted.share):
        raise InputError(f"has shape {shape_text(shape)}, but the model takes {shape_text(wanted.shape)}")
    size = math.prod(shape) * stored.dtype.itemsize
    if axis != 0 and size > MAX_ROW_BYTES:
        raise InputError(f"is {size:,} bytes large, over the limit of {MAX_ROW_BYTES:,}")
    return shape, axis


def _without(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return tuple(size for at, size in enumerate(shape) if at != axis)
