"""Rows of .npy and .npz files "as the model takes them", streamed: no pickle, no mapping, bounded memory."""

import io
import math
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, TypeVar

import numpy as np
import numpy.typing as npt

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, quoted, reason_of
from onnx_ood.inputs.rows.npy import Header, read_header
from onnx_ood.inputs.shapes import fits, shape_text

T = TypeVar("T")

SUFFIXES = frozenset({".npy", ".npz"})

MAX_ROW_BYTES = 1 << 28
"""A single row larger than 256 MiB is refused: with it, whatever a header claims, memory stays bounded."""

MAX_READ_BYTES = 1 << 20
"""No more than this is asked of a file at once."""

USUAL_NAMES = ("images", "image", "x", "X", "inputs", "input", "data", "samples", "features", "arr_0")
"""Names tried, in this order, in an .npz that holds several arrays and none named like the model's input."""


class ArrayRows:
    """The rows of one stored array; made by `open_array`, closed by `close` or `with`.

    Rows are read with plain reads, forwards; going back is possible and, in a compressed .npz, slow.
    (Not `numpy.memmap`: a file that shrinks while it is mapped ends the process.) One thread at a time.

    Attributes:
        path: The file.
        member: The array's name inside an .npz, or None.
        shape: [rows, *row], the axis of rows added where the file holds a single sample.
        dtype: The stored type in native byte order: bool, int8-64, uint8-64 or float16-64.
        single: Whether the file holds one sample without an axis of rows.
        others: Names of the other arrays in the .npz, which are not read.
        notes: Which array was taken, where there was a choice.
    """

    def __init__(
        self,
        path: Path,
        stream: IO[bytes],
        header: Header,
        closer: ExitStack,
        *,
        single: bool = False,
        axis: int = 0,
        member: str | None = None,
        others: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self.notes = notes
        self.member = member
        self.others = others
        self.single = single
        self._stored_shape = (1, *header.shape) if single else header.shape
        self._axis = 0 if single else axis
        self.shape = _first(self._stored_shape, self._axis)
        self.dtype: np.dtype[np.generic] = header.dtype.newbyteorder("=")
        self._stream = stream
        self._stored = header.dtype
        self._offset = header.size
        self._closer = closer
        self._row_bytes = math.prod(self.shape[1:]) * header.dtype.itemsize
        self._by_columns = header.by_columns  # such an array is read whole, once
        self._whole: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._closer.close()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.shape[1:]

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows start, ..., stop - 1 as a fresh array [stop - start, *row_shape] of `dtype`.

        Raises:
            InputError: If the file is truncated, damaged, or changed while it is read.
            IndexError: If not 0 <= start <= stop <= len.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"rows {start}:{stop} of {len(self)}")
        if self._by_columns or self._axis:
            if self._whole is None:
                flat, shape = self._read(0, len(self)), self._stored_shape
                stored = flat.reshape(shape[::-1]).transpose() if self._by_columns else flat.reshape(shape)
                self._whole = np.moveaxis(stored, self._axis, 0)
            return np.array(self._whole[start:stop], order="C")
        return self._read(start, stop).reshape(stop - start, *self.row_shape)

    def _read(self, start: int, stop: int) -> npt.NDArray[Any]:
        buffer = bytearray((stop - start) * self._row_bytes)
        with memoryview(buffer) as view:
            self._library(lambda: self._stream.seek(self._offset + start * self._row_bytes))
            done = 0
            while done < len(buffer):
                piece = self._library(lambda: self._stream.read(min(len(buffer) - done, MAX_READ_BYTES)))  # noqa: B023
                if not piece:
                    raise InputError(f"{name_of(self.path)}: ends in row {start + done // self._row_bytes}")
                view[done : done + len(piece)] = piece
                done += len(piece)
        return np.frombuffer(buffer, self._stored).astype(self.dtype, copy=False)

    def _library(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except Exception as error:
            raise InputError(f"{name_of(self.path)}: is damaged ({reason_of(error)})") from None


def open_array(
    path: Path,
    *,
    input_name: str | None = None,
    input_shape: Sequence[int | str | None] | None = None,
    exact: bool = False,
    axis: int = 0,
) -> ArrayRows:
    """Open an .npy or .npz file; only headers are read.

    An .npz with one array gives that one; with several, the one named `input_name`, else the first of
    `USUAL_NAMES` that is there. With `input_shape`, an array [rows, *input] gives its rows and one of the
    shape [*input] is a single row; without, axis 0 is the axis of rows.

    Args:
        path: The file; the suffix .npz says that it is an archive.
        input_name: The model input's name.
        input_shape: The model input's shape with its batch axis; other axes than positive integers accept any size.
        exact: Take no other array of an .npz than `input_name`.
        axis: The stored axis of rows, which `input_shape` has first.

    Raises:
        InputError: If the file is missing, unreadable, truncated or longer than its header says, holds
            something else than real numbers, no values, too large rows, or rows that don't fit.
    """
    name = name_of(path)
    with ExitStack() as closer:
        file = closer.enter_context(open_regular(path))
        member: str | None = None
        others: tuple[str, ...] = ()
        try:
            if path.suffix.lower() == ".npz":
                stream, length, member, others = _member(file, closer, input_name, exact=exact)
            else:
                stream, length = file, os.fstat(file.fileno()).st_size
            header = read_header(stream)
            single = _check(header, length, input_shape, axis)
        except InputError as error:
            where = f"{name}: " if member is None else f"{name}: array {quoted(member)} "
            raise InputError(f"{where}{error}") from None
        # zipfile and zlib on bytes they don't expect: BadZipFile, zlib.error, EOFError, struct.error,
        # OSError, NotImplementedError, RuntimeError (a password), ValueError...
        except Exception as error:
            raise InputError(f"{name}: cannot be read as an array file ({reason_of(error)})") from None
        chosen = bool(others) and member != input_name
        notes = (f"{name}: of several arrays, {quoted(member)} was taken",) if chosen else ()
        return ArrayRows(
            path,
            stream,
            header,
            closer.pop_all(),
            single=single,
            axis=axis,
            member=member,
            others=others,
            notes=notes,
        )


def check_row_shape(shape: Sequence[int], input_shape: Sequence[int | str | None]) -> None:
    """Check the shape of one row against the model's input.

    Args:
        shape: Shape of a row, without the axis of rows.
        input_shape: The model input's shape, with its batch axis.

    Raises:
        InputError: If they differ; the message names both and no file.
    """
    want = input_shape[1:]
    if not fits(shape, want):
        raise InputError(
            f"has rows of shape {shape_text(shape)}, but the model takes {shape_text(want)}; "
            "arrays are given exactly as the model takes them"
        )


def check_type(source: np.dtype[Any], target: np.dtype[Any]) -> None:
    """Check that values of one type may be handed to an input of another (rules: `to_type`).

    Raises:
        InputError: If not; without a file name.
    """
    if source == target or target.kind == "f" or (target.kind in "iu" and source.kind in "iub"):
        return
    raise InputError(f"holds {source.name}, but the model takes {target.name}; save it as {target.name}")


def to_type(rows: npt.NDArray[Any], target: np.dtype[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Rows in the type that the model takes, by value: nothing is scaled or normalised.

    - To a float type: every boolean, integer and float, rounded to the nearest value.
    - To an integer type: booleans and integers that fit; floats are refused (`check_type`), because
      whether they were meant to be rounded or cut is unknown.
    - To bool: bool only.

    An array of 0-255 for a float input may be a picture that somebody forgot to normalise, or just what
    the model takes (its first node may divide). The two cannot be distinguished, so the values pass and
    `conversion_note` gives the sentence that says so.

    Args:
        rows: [n, *row].
        target: What the model takes.

    Returns:
        The rows in `target`, and [n] whether a row is unusable: it holds NaN, infinity or a value outside
        the range of `target`.
    """
    axes = tuple(range(1, rows.ndim))
    # Overflow to infinity is found below and reported by name; numpy's warning would only repeat it.
    with np.errstate(over="ignore", invalid="ignore"):
        out = rows.astype(target, copy=False)
    if target.kind == "f":
        return out, np.asarray(~np.isfinite(out).all(axis=axes))
    if target.kind in "iu" and rows.dtype.kind in "iu":
        limits = np.iinfo(target)
        # Compared as Python integers, which numpy does exactly between any two integer types.
        outside = (rows < int(limits.min)) | (rows > int(limits.max))
        return out, np.asarray(outside.any(axis=axes))
    return out, np.zeros(len(rows), np.bool_)


def conversion_note(source: np.dtype[Any], target: np.dtype[Any]) -> str | None:
    """One sentence for the user about a conversion that may surprise, or None."""
    if source.kind in "iub" and target.kind == "f":
        return f"arrays of {source.name} are handed to the {target.name} input by value, not scaled to 0-1"
    return None


def _check(header: Header, length: int, input_shape: Sequence[int | str | None] | None, axis: int) -> bool:
    """Return whether the array is a single row; InputError if header, file and input disagree."""
    shape = header.shape
    if 0 in shape:
        raise InputError(f"holds no values (shape {shape_text(shape)})")
    if length != header.stream_bytes:
        trouble = "is truncated" if length < header.stream_bytes else "goes on after its last value"
        raise InputError(f"{trouble}: its header promises {header.stream_bytes:,} bytes, it has {length:,}")
    single = not shape if input_shape is None else len(shape) == len(input_shape) - 1
    if not single and len(shape) > axis:
        shape = _first(shape, axis)
    if input_shape is not None:
        check_row_shape(shape if single else shape[1:], input_shape)
    row_bytes = math.prod(shape if single else shape[1:]) * header.dtype.itemsize
    if row_bytes > MAX_ROW_BYTES:
        raise InputError(f"has rows of {row_bytes:,} bytes, over the limit of {MAX_ROW_BYTES:,}")
    size = math.prod(shape) * header.dtype.itemsize
    if header.by_columns and size > MAX_ROW_BYTES:
        raise InputError("is large and stored column by column; save it with numpy.ascontiguousarray first")
    if axis and not single and size > MAX_ROW_BYTES:
        raise InputError(
            f"is {size:,} bytes large, over the limit of {MAX_ROW_BYTES:,}; save each input in a file"
        )
    return single


def _first(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Move the axis of rows to the front of a shape."""
    return (shape[axis], *shape[:axis], *shape[axis + 1 :])


def _member(
    file: BinaryIO, closer: ExitStack, input_name: str | None, *, exact: bool
) -> tuple[IO[bytes], int, str, tuple[str, ...]]:
    """Stream, length, name of the wanted array in an .npz, and the names of the others."""
    archive = closer.enter_context(zipfile.ZipFile(ShortReads(file)))
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if _is_npy(info)}
    if not infos:
        raise InputError("holds no arrays; save it with numpy.savez")
    chosen = _choose([*infos], input_name, exact=exact)
    info = infos[chosen]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError("is compressed in a way numpy does not use; save it with numpy.savez_compressed")
    stream = closer.enter_context(archive.open(info))
    return stream, info.file_size, chosen, tuple(name for name in infos if name != chosen)


def listed(names: Sequence[str]) -> str:
    """Names of arrays as users read them, cut where they are long or many."""
    shortened = [shown(name)[:40] for name in names]
    return ", ".join(shortened[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _choose(names: Sequence[str], input_name: str | None, *, exact: bool) -> str:
    """Choose an array of an .npz; InputError if the choice is ambiguous."""
    if input_name is not None and input_name in names:
        return input_name
    if len(names) == 1 and not exact:
        return names[0]
    if exact:
        raise InputError(
            f"holds no array {quoted(input_name)}, which the model takes; it holds: {listed(names)}"
        )
    usual = next((name for name in USUAL_NAMES if name in names), None)
    if usual is None:
        tip = f"name one {quoted(input_name)} or keep one" if input_name else "keep one"
        raise InputError(f"holds several arrays ({listed(names)}) and it is unclear which to take; {tip}")
    return usual


def _is_npy(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith(".npy") and not info.is_dir()


class ShortReads(io.RawIOBase):
    """A file that gives at most `MAX_READ_BYTES` at once, so that no archive's directory fills the memory.

    zipfile reads the directory at once, as long as the archive claims it to be, and keeps about ten times
    its size. Cut short, it is found broken.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, and never more than the limit."""
        return self._file.read(MAX_READ_BYTES if size < 0 else min(size, MAX_READ_BYTES))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return True, as for all regular files."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True
