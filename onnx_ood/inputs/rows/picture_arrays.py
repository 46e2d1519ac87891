"""Pictures stored as uint8 arrays: recognition, and rows that are preprocessed as picture files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from onnx_ood._dialect import named
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of
from onnx_ood.inputs.images import as_channels
from onnx_ood.inputs.preprocessing.presets import crop_note
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.rows.arrays import ArrayRows, open_array
from onnx_ood.inputs.rows.protocol import RowError, RowRequest
from onnx_ood.inputs.shapes import fits

CHANNELS = (1, 3, 4)
"""Numbers of channels of grey, RGB and RGBA pictures."""

GREY_NOTE = "uint8 arrays [N,H,W] are read as grey pictures; colour pictures are [N,H,W,3]"

PictureLayout = Literal["HW", "HWC", "CHW"]


def takes_pictures(request: RowRequest) -> bool:
    """Return whether a model input has four axes, one of which can be that of 1 or 3 channels."""
    shape = request.shape
    return len(shape) == 4 and any(
        not isinstance(axis, int) or axis <= 0 or axis in (1, 3) for axis in (shape[1], shape[3])
    )


def picture_layout(shape: Sequence[int], dtype: np.dtype[Any], request: RowRequest) -> PictureLayout | None:
    """Return the layout of a picture in an array without batch axis; None for other arrays.

    Pictures are uint8 arrays [H, W], [H, W, C] and [C, H, W] with 1, 3 or 4 channels for a model input that takes
    pictures, unless that takes uint8 tensors of this very shape. If both [H, W, C] and [C, H, W] are possible, the
    model's layout decides.

    Args:
        shape: Shape of the array.
        dtype: Its type.
        request: The model's input.
    """
    if dtype != np.uint8 or not takes_pictures(request):
        return None
    if request.dtype == np.uint8 and fits(shape, request.share):
        return None
    if len(shape) == 2:
        return "HW"
    if len(shape) != 3:
        return None
    last, first = shape[2] in CHANNELS, shape[0] in CHANNELS
    if last and first:
        return "CHW" if request.shape[1] in (1, 3) else "HWC"
    return "HWC" if last else "CHW" if first else None


def as_image(picture: npt.NDArray[np.uint8], layout: PictureLayout) -> Image.Image:
    """Return a picture in an array as an image."""
    upright = np.moveaxis(picture, 0, -1) if layout == "CHW" else picture
    if upright.shape[2:] == (1,):
        upright = upright[..., 0]
    return Image.fromarray(np.ascontiguousarray(upright))


class PictureRows:
    """Pictures in an array file, preprocessed; made by `open_pictures`.

    Attributes:
        path: The file.
        dtype: Type of the model's input.
        row_shape: Shape of a preprocessed picture.
        single: True if the whole array is one picture.
        notes: Notes for the user.
        member: The array's name inside an .npz, or None.
        others: Names of the other arrays in the .npz, which are not read.
    """

    def __init__(
        self,
        stored: ArrayRows,
        layout: PictureLayout,
        preprocessing: Preprocessing,
        dtype: np.dtype[Any],
        *,
        single: bool,
    ) -> None:
        self.path = stored.path
        self.member, self.others = stored.member, stored.others
        self.dtype = dtype
        self.row_shape = preprocessing.shape
        self.single = single
        grey = layout == "HW" and not single and preprocessing.channels != "L"
        at = {"HW": 0, "HWC": 0, "CHW": 1}[layout] + (not single)
        cropped = crop_note(preprocessing, (stored.shape[at], stored.shape[at + 1]))
        self.notes = (*stored.notes, *([GREY_NOTE] if grey else []), *filter(None, [cropped]))
        self._stored, self._layout, self._preprocessing = stored, layout, preprocessing

    def __len__(self) -> int:
        return 1 if self.single else len(self._stored)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._stored.close()

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Pictures start, ..., stop - 1 as tensors [stop - start, *row_shape].

        Raises:
            RowError: If a picture does not fit the preprocessing.
            InputError: If the file breaks off.
        """
        if self.single:
            pictures = self._stored.rows(0, len(self._stored))[np.newaxis][start:stop]
        else:
            pictures = self._stored.rows(start, stop)
        out = np.empty((len(pictures), *self.row_shape), self.dtype)
        for at, picture in enumerate(pictures):
            try:
                out[at] = tensor_of(as_image(picture, self._layout), self._preprocessing, self.dtype)
            except InputError as error:
                raise RowError(f"{name_of(self.path)}: {error}") from None
        return out


def holds_pictures(path: Path, request: RowRequest) -> bool:
    """Return whether an array file holds pictures; False if it cannot be read."""
    return _look(path, request) is not None


def count(path: Path, request: RowRequest) -> int | None:
    """Count the pictures in an array file of several; None for one picture, other arrays, or an unreadable file."""
    found = _look(path, request)
    return None if found is None or found[0] else found[1]


def _look(path: Path, request: RowRequest) -> tuple[bool, int] | None:
    """Return whether an array file is one picture, and the length of its first axis; None if it holds no pictures."""
    if not takes_pictures(request):
        return None
    try:
        with open_array(path, input_name=request.name, exact=request.exact) as stored:
            found = _file_layout(stored, request)
            return found and (found[1], len(stored))
    except InputError:
        return None


def open_pictures(path: Path, request: RowRequest, preprocessing: Preprocessing | None) -> PictureRows | None:
    """Open an array file of pictures.

    Args:
        path: An .npy or .npz file.
        request: The model's input.
        preprocessing: Preprocessing of pictures; None if it is unknown.

    Returns:
        The pictures, or None if the array holds none.

    Raises:
        InputError: If the file cannot be read, or the preprocessing is unknown.
    """
    if not takes_pictures(request):
        return None
    stored = open_array(path, input_name=request.name, exact=request.exact)
    found = _file_layout(stored, request)
    if found is None or preprocessing is None:
        stored.close()
    if found is None:
        return None
    if preprocessing is None:
        raise InputError(
            f"{name_of(path)}: holds pictures (uint8); state their preprocessing with {named('preprocess')}"
        )
    layout, single = found
    return PictureRows(stored, layout, preprocessing, request.dtype, single=single)


def tensor_of(image: Image.Image, preprocessing: Preprocessing, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Preprocess an image to the model's type.

    Raises:
        InputError: If its size does not fit, or the type cannot hold the values.
    """
    pixels = preprocessing.pixels(as_channels(image, preprocessing.channels))
    return picture_to_type(preprocessing.normalise(pixels), dtype)


def picture_to_type(tensor: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert a picture's tensor to the model's type; integers are rounded.

    Raises:
        InputError: If the type cannot hold the values.
    """
    if dtype.kind in "iu":
        tensor = np.rint(tensor)
        limits = np.iinfo(dtype)
        if tensor.min() < limits.min or tensor.max() > limits.max:
            raise InputError(
                f"comes out between {tensor.min():g} and {tensor.max():g}, which {dtype.name} cannot hold; "
                f"choose a suitable preprocessing, as in {named('preprocess', 'bytes')}"
            )
    elif dtype.kind != "f":
        raise InputError(f"is a picture, but the model takes {dtype.name}")
    return tensor.astype(dtype, copy=False)


def _file_layout(stored: ArrayRows, request: RowRequest) -> tuple[PictureLayout, bool] | None:
    """Return layout, and whether the array is one picture; None if it holds no pictures."""
    shape, dtype = stored.shape, np.dtype(stored.dtype)
    as_tensors = request.dtype == np.uint8 and (fits(shape, request.share) or fits(shape, request.shape))
    if stored.single or as_tensors:
        return None
    if len(shape) == 2:
        layout = picture_layout(shape, dtype, request)
        return layout and (layout, True)
    # One picture [H, W, 3], or one as the model takes it, [3, H, W]; else axis 0 counts grey pictures.
    if len(shape) == 3 and (shape[2] in (3, 4) or (shape[0] == 3 and fits(shape, request.share))):
        layout = picture_layout(shape, dtype, request)
        return layout and (layout, True)
    layout = picture_layout(shape[1:], dtype, request) if len(shape) in (3, 4) else None
    return layout and (layout, False)
