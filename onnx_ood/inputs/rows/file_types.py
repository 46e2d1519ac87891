"""File types by suffix: pictures, and files of rows with their openers."""

from collections.abc import Callable
from pathlib import Path

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import images
from onnx_ood.inputs.files import name_of
from onnx_ood.inputs.rows import arrays, audio, tables
from onnx_ood.inputs.rows.protocol import RowRequest, Rows


def _open_array(path: Path, wanted: RowRequest) -> Rows:
    rows = arrays.open_array(
        path, input_name=wanted.name, input_shape=wanted.shape, exact=wanted.exact, axis=wanted.stored_axis
    )
    try:
        arrays.check_type(rows.dtype, wanted.dtype)
    except InputError as error:
        rows.close()
        raise InputError(f"{name_of(path)}: {error}") from None
    return rows


def _open_waveform(path: Path, wanted: RowRequest) -> Rows:
    return audio.open_waveform(path, input_shape=wanted.shape, dtype=wanted.dtype)


def _open_table(path: Path, wanted: RowRequest) -> Rows:
    return tables.open_table(path, input_shape=wanted.shape, dtype=wanted.dtype)


_OPENERS: dict[str, Callable[[Path, RowRequest], Rows]] = {
    **dict.fromkeys(arrays.SUFFIXES, _open_array),
    **dict.fromkeys(audio.SUFFIXES, _open_waveform),
    **dict.fromkeys(tables.SUFFIXES, _open_table),
}

SUFFIXES = images.SUFFIXES | frozenset(_OPENERS)
"""Suffixes of all file types, in lower case."""


def is_picture(path: Path) -> bool:
    """Return whether a file is read as a picture: any file without a suffix of rows."""
    return path.suffix.lower() not in _OPENERS


def is_archive(path: Path) -> bool:
    """Return whether a file can hold values of several inputs."""
    return path.suffix.lower() == ".npz"


def open_rows(path: Path, wanted: RowRequest) -> Rows:
    """Open a file of rows.

    Args:
        path: The file; its suffix determines the type.
        wanted: The model's input.

    Raises:
        InputError: If it cannot be read, or does not fit the model's input.
    """
    return _OPENERS[path.suffix.lower()](path, wanted)
