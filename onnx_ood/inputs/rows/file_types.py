"""File types by suffix: pictures, and files of rows with their openers."""

from collections.abc import Callable
from pathlib import Path

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import images
from onnx_ood.inputs.files import name_of
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.rows import arrays, audio, csv_tables, picture_arrays, tables, texts, zips
from onnx_ood.inputs.rows.protocol import RowRequest, Rows


def _open_array(path: Path, wanted: RowRequest, preprocessing: Preprocessing | None) -> Rows:
    if (stored := picture_arrays.open_pictures(path, wanted, preprocessing)) is not None:
        return stored
    rows = arrays.open_array(
        path, input_name=wanted.name, input_shape=wanted.shape, exact=wanted.exact, axis=wanted.stored_axis
    )
    try:
        arrays.check_type(rows.dtype, wanted.dtype)
    except InputError as error:
        rows.close()
        raise InputError(f"{name_of(path)}: {error}") from None
    return rows


def _open_waveform(path: Path, wanted: RowRequest, _: Preprocessing | None) -> Rows:
    return audio.open_waveform(path, input_shape=wanted.shape, dtype=wanted.dtype)


def _open_table(path: Path, wanted: RowRequest, _: Preprocessing | None) -> Rows:
    return tables.open_table(path, input_shape=wanted.shape, dtype=wanted.dtype)


def _open_csv(path: Path, wanted: RowRequest, _: Preprocessing | None) -> Rows:
    return csv_tables.open_csv(path, input_shape=wanted.shape, dtype=wanted.dtype)


def _open_text(path: Path, wanted: RowRequest, _: Preprocessing | None) -> Rows:
    return texts.open_text(path, wanted)[0]


_OPENERS: dict[str, Callable[[Path, RowRequest, Preprocessing | None], Rows]] = {
    **dict.fromkeys(arrays.SUFFIXES, _open_array),
    **dict.fromkeys(audio.SUFFIXES, _open_waveform),
    **dict.fromkeys(tables.SUFFIXES, _open_table),
    **dict.fromkeys(csv_tables.SUFFIXES, _open_csv),
    **dict.fromkeys(texts.SUFFIXES, _open_text),
    **dict.fromkeys(zips.SUFFIXES, zips.open_zip),
}

SUFFIXES = images.SUFFIXES | frozenset(_OPENERS)
"""Suffixes of all file types, in lower case."""

NAMED_ONLY = csv_tables.SUFFIXES | texts.SUFFIXES | zips.SUFFIXES
"""Suffixes of files that are inputs if they are named; in a folder they usually describe or repeat its other files."""

LISTS = csv_tables.SUFFIXES | tables.SUFFIXES
"""Suffixes of files that can list the paths of inputs."""


def is_picture(path: Path) -> bool:
    """Return whether a file is read as a picture: any file without a suffix of rows."""
    return path.suffix.lower() not in _OPENERS


def is_archive(path: Path) -> bool:
    """Return whether a file can hold values of several inputs."""
    return path.suffix.lower() == ".npz" or is_text(path)


def is_text(path: Path) -> bool:
    """Return whether a file holds lines of text."""
    return path.suffix.lower() in texts.SUFFIXES


def holds_pictures(path: Path, wanted: RowRequest) -> bool:
    """Return whether a file holds pictures, which need preprocessing.

    Args:
        path: The file; the header of an array file is read.
        wanted: The model's input.
    """
    suffix = path.suffix.lower()
    return (
        is_picture(path)
        or suffix in zips.SUFFIXES
        or (suffix in arrays.SUFFIXES and picture_arrays.holds_pictures(path, wanted))
    )


def count_rows(path: Path, wanted: RowRequest) -> int | None:
    """Count the pictures in a file of several; None for one picture, other rows, or a file that cannot be read.

    Args:
        path: The file; its header is read.
        wanted: The model's input.
    """
    if path.suffix.lower() in zips.SUFFIXES:
        return zips.count(path)
    return picture_arrays.count(path, wanted) if path.suffix.lower() in arrays.SUFFIXES else None


def open_rows(path: Path, wanted: RowRequest, preprocessing: Preprocessing | None = None) -> Rows:
    """Open a file of rows.

    Args:
        path: The file; its suffix determines the type.
        wanted: The model's input.
        preprocessing: Preprocessing of pictures; None if it is unknown.

    Raises:
        InputError: If it cannot be read, or does not fit the model's input.
    """
    return _OPENERS[path.suffix.lower()](path, wanted, preprocessing)
