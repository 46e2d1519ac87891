"""Pictures in a .zip archive."""

from __future__ import annotations

import io
import zipfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood._dialect import named
from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, reason_of
from onnx_ood.inputs.images import SUFFIXES as PICTURES
from onnx_ood.inputs.images import decode_image
from onnx_ood.inputs.preprocessing.presets import crop_note
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.rows.arrays import MAX_READ_BYTES, ShortReads
from onnx_ood.inputs.rows.picture_arrays import tensor_of
from onnx_ood.inputs.rows.protocol import RowError, RowRequest

SUFFIXES = frozenset({".zip"})

MAX_MEMBER_BYTES = 1 << 28
"""A larger picture in an archive fails by name."""


class ZipRows:
    """The pictures of one archive, sorted by name; made by `open_zip`.

    Attributes:
        path: The archive.
        names: Names of the pictures, as results show them.
        dtype: Type of the model's input.
        row_shape: Shape of a preprocessed picture.
        single: False.
        notes: Note on a part of the first picture that is cropped, or empty.
    """

    single = False

    def __init__(
        self,
        path: Path,
        archive: zipfile.ZipFile,
        closer: ExitStack,
        preprocessing: Preprocessing,
        dtype: np.dtype[Any],
    ) -> None:
        self.path, self.dtype = path, dtype
        self.row_shape = preprocessing.shape
        self._members = pictures_in(archive)
        self.names = tuple(f"{name_of(path)}/{shown(one.filename)}" for one in self._members)
        self._archive, self._closer, self._preprocessing = archive, closer, preprocessing
        self.notes = self._crop_notes()

    def __len__(self) -> int:
        return len(self._members)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._closer.close()

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Pictures start, ..., stop - 1 as tensors [stop - start, *row_shape].

        Raises:
            RowError: If one cannot be read or preprocessed.
        """
        out = np.empty((stop - start, *self.row_shape), self.dtype)
        for row in range(start, stop):
            try:
                image = decode_image(io.BytesIO(self._read(self._members[row])), self._preprocessing.channels)
                out[row - start] = tensor_of(image, self._preprocessing, self.dtype)
            except InputError as error:
                raise RowError(f"{name_of(self.path)}: {error}") from None
        return out

    def _crop_notes(self) -> tuple[str, ...]:
        try:
            first = decode_image(io.BytesIO(self._read(self._members[0])), self._preprocessing.channels)
        except InputError:
            return ()
        return tuple(filter(None, [crop_note(self._preprocessing, first.size[::-1])]))

    def _read(self, member: zipfile.ZipInfo) -> bytes:
        if member.file_size > MAX_MEMBER_BYTES:
            raise InputError(
                f"is {member.file_size:,} bytes large in the archive, over the limit of {MAX_MEMBER_BYTES:,}"
            )
        content = bytearray()
        try:
            with self._archive.open(member) as file:
                while piece := file.read(MAX_READ_BYTES):
                    content += piece
        # zipfile and zlib on bytes they don't expect: BadZipFile, zlib.error, EOFError, RuntimeError (a password)...
        except Exception as error:
            raise InputError(f"cannot be read from the archive ({reason_of(error)})") from None
        return bytes(content)


def pictures_in(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the pictures of an archive by suffix, sorted by name; hidden files and folders are passed over."""
    found = []
    for one in archive.infolist():
        path = PurePosixPath(one.filename)
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if not one.is_dir() and not hidden and path.suffix.lower() in PICTURES:
            found.append(one)
    return sorted(found, key=lambda one: PurePosixPath(one.filename).parts)


def open_zip(path: Path, request: RowRequest, preprocessing: Preprocessing | None) -> ZipRows:
    """Open an archive of pictures; only its directory and the first picture are read.

    Args:
        path: The archive.
        request: The model's input.
        preprocessing: Preprocessing of pictures; None if it is unknown.

    Raises:
        InputError: If it cannot be read, holds no pictures, or the preprocessing is unknown.
    """
    name = name_of(path)
    with ExitStack() as closer:
        file = closer.enter_context(open_regular(path))
        try:
            archive = closer.enter_context(zipfile.ZipFile(ShortReads(file)))
        except Exception as error:
            raise InputError(f"{name}: cannot be read as an archive ({reason_of(error)})") from None
        if not pictures_in(archive):
            raise InputError(f"{name}: holds no pictures")
        if preprocessing is None:
            raise InputError(f"{name}: holds pictures; state their preprocessing with {named('preprocess')}")
        return ZipRows(path, archive, closer.pop_all(), preprocessing, request.dtype)


def count(path: Path) -> int | None:
    """Count the pictures in an archive; None if it cannot be read."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(ShortReads(file)) as archive:
            return len(pictures_in(archive))
    except Exception:
        return None
