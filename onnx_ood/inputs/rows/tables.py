"""Rows of .parquet tables, one feature a column, streamed; needs pyarrow, which is optional.

Memory: some rows are decoded at a time, from one page of each column. pyarrow unpacks a page as a whole,
and the format lets a page be 2 GiB; usual are 1 MiB.
"""

import bisect
import itertools
import json
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, quoted, reason_of
from onnx_ood.inputs.rows.arrays import check_type, to_type
from onnx_ood.inputs.rows.protocol import RowError
from onnx_ood.inputs.shapes import shape_text

SUFFIXES = frozenset({".parquet"})

MAX_FOOTER_BYTES = 1 << 26
"""A table whose description of itself is larger than 64 MiB is refused."""

_MAX_ITEMS = 1_000_000  # columns, row groups: entries in one list of the description
_BUFFER_BYTES = 1 << 20  # read at once from a column
_DECODED_BYTES = 1 << 22  # decoded at once, of all columns together
_MAX_DECODED_ROWS = 1 << 16
_MAX_NAMED = 8

# By the names of pyarrow's types; what is not here holds no numbers.
_DTYPES: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "halffloat": np.dtype(np.float16),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}


class TableRows:
    """The rows of one table, in the type that the model takes; made by `open_table`.

    Rows are decoded some at a time, within a row group; going back is possible and starts the row group
    again. A row with a null, or with a value that the type can't hold, raises a `RowError`.

    Attributes:
        path: The file.
        columns: Names of the columns, in the order of the file; without the index that pandas stores.
        dtype: The type in which rows come.
        row_shape: [columns].
        single: False: a table's rows have numbers.
        notes: Note on the index that was left out.
    """

    single = False

    def __init__(
        self, path: Path, file: BinaryIO, table: Any, columns: tuple[str, ...], dtype: np.dtype[Any]
    ) -> None:
        self.path = path
        self.columns = columns
        self.dtype = dtype
        self.row_shape = (len(columns),)
        fields = _features(table.schema_arrow)
        self._kinds = [_DTYPES[str(field.type)].kind for field in fields]
        self.notes: tuple[str, ...] = ()
        self._read_columns: list[str] | None = None
        if len(fields) < len(table.schema_arrow):
            self._read_columns = [*columns]
            self.notes = ("the index that pandas stores in tables was left out",)
        self._file = file
        self._table = table
        groups = range(table.metadata.num_row_groups)
        sizes = (table.metadata.row_group(group).num_rows for group in groups)
        self._starts = list(itertools.accumulate(sizes, initial=0))  # of each group, and the end
        self._decoded_rows = max(1, min(_MAX_DECODED_ROWS, _DECODED_BYTES // (8 * len(columns))))
        self._batches: Iterator[Any] = iter(())
        self._group = -1
        self._first, self._next = 0, 0  # the rows in what follows
        self._values: npt.NDArray[Any] = np.empty((0, len(columns)), dtype)
        self._empty = self._unfit = np.zeros((0, len(columns)), np.bool_)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._batches = iter(())
        self._table.close()
        self._file.close()

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows start, ..., stop - 1 as a fresh array [stop - start, columns].

        Raises:
            RowError: If one of them has a null or a value that the type can't hold.
            InputError: If the file is damaged.
            IndexError: If not 0 <= start <= stop <= len.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"rows {start}:{stop} of {len(self)}")
        out = np.empty((stop - start, *self.row_shape), self.dtype)
        for row in range(start, stop):
            out[row - start] = self._row(row)
        return out

    def _row(self, row: int) -> npt.NDArray[Any]:
        if not self._first <= row < self._next:
            self._go_to(row)
        at = row - self._first
        wrong = np.flatnonzero(self._empty[at] | self._unfit[at])
        if wrong.size:
            reason = (
                "is empty (null)"
                if self._empty[at, wrong[0]]
                else f"holds NaN, infinity or a value outside the range of {self.dtype.name}"
            )
            raise RowError(f"{name_of(self.path)}: column {quoted(self.columns[wrong[0]])} {reason}")
        return np.asarray(self._values[at])

    def _go_to(self, row: int) -> None:
        group = bisect.bisect_right(self._starts, row) - 1
        if group != self._group or row < self._first:
            self._group = group
            self._first = self._next = self._starts[group]
            self._batches = self._table.iter_batches(
                batch_size=self._decoded_rows,
                row_groups=[group],
                columns=self._read_columns,
                use_threads=False,
            )
        while row >= self._next:
            try:
                self._decode()
            except InputError as error:
                raise InputError(f"{name_of(self.path)}: {error}") from None
            # What pyarrow raises on bytes that it doesn't expect: ArrowInvalid, OSError, MemoryError...
            except Exception as error:
                raise InputError(f"{name_of(self.path)}: is damaged ({reason_of(error)})") from None

    def _decode(self) -> None:
        batch = next(self._batches, None)
        if batch is None or not batch.num_rows:
            raise InputError(f"ends in row {self._next}")
        count = batch.num_rows
        if self._next + count > self._starts[self._group + 1] or batch.num_columns != len(self.columns):
            raise InputError("is damaged (other rows than its footer promises)")
        self._first, self._next = self._next, self._next + count
        self._values = np.empty((count, len(self.columns)), self.dtype)
        self._empty = np.zeros(self._values.shape, np.bool_)
        self._unfit = np.zeros(self._values.shape, np.bool_)
        for at, column in enumerate(batch.columns):
            if column.null_count:
                self._empty[:, at] = column.is_null().to_numpy(zero_copy_only=False)
                # Otherwise integers with nulls would come as floats, and lose digits.
                fill = {"b": False, "i": 0, "u": 0}.get(self._kinds[at])
                column = column if fill is None else column.fill_null(fill)  # noqa: PLW2901
            stored = column.to_numpy(zero_copy_only=False)
            self._values[:, at], self._unfit[:, at] = to_type(stored, self.dtype)


def open_table(path: Path, *, input_shape: Sequence[int | str | None], dtype: np.dtype[Any]) -> TableRows:
    """Open a .parquet file; only its footer is read.

    Every column has to be of booleans, integers or floats, of a kind that may be handed to the model's
    type (`arrays.to_type`), and there have to be as many columns as the model takes features.

    Args:
        path: The file.
        input_shape: [N, features]; any other value than a positive integer accepts all numbers of columns.
        dtype: The model's type.

    Raises:
        InputError: If pyarrow is not installed, or the file is missing, unreadable, damaged or doesn't fit.
    """
    name = name_of(path)
    file = open_regular(path)
    try:
        table = _open(file)
        columns = _columns(table, input_shape, dtype)
        return TableRows(path, file, table, columns, dtype)
    except InputError as error:
        file.close()
        raise InputError(f"{name}: {error}") from None
    except Exception as error:
        file.close()
        raise InputError(f"{name}: cannot be read as a table ({reason_of(error)})") from None


def _open(file: BinaryIO) -> Any:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise InputError(
            "is a table, and reading it needs pyarrow; install it with: pip install 'onnx_ood[tables]'"
        ) from None
    _check_footer(file)
    return parquet.ParquetFile(
        file,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,  # it would read a row group at once
        thrift_string_size_limit=MAX_FOOTER_BYTES,
        thrift_container_size_limit=_MAX_ITEMS,
        page_checksum_verification=True,
    )


def _check_footer(file: BinaryIO) -> None:
    length = os.fstat(file.fileno()).st_size
    head = file.read(4)
    file.seek(max(0, length - 8))
    tail = file.read(8)
    if head != b"PAR1" or len(tail) < 8 or tail[4:] != b"PAR1":
        raise InputError("is not a .parquet table, or is truncated (wrong first or last bytes)")
    size = struct.unpack_from("<I", tail)[0]
    if size > length - 12:
        raise InputError("is damaged (the length of its footer)")
    if size > MAX_FOOTER_BYTES:
        raise InputError(f"has a footer of {size:,} bytes, over the limit of {MAX_FOOTER_BYTES:,}")
    file.seek(0)


def _columns(table: Any, input_shape: Sequence[int | str | None], dtype: np.dtype[Any]) -> tuple[str, ...]:
    """Names of the columns; InputError if they don't fit."""
    if len(input_shape) != 2:
        raise InputError(f"is a table, but the model takes {shape_text(input_shape)}, not [N,features]")
    schema = table.schema_arrow
    fields = _features(schema)
    names = tuple(str(field.name) for field in fields)
    others = [f"{field.name} ({field.type})" for field in fields if str(field.type) not in _DTYPES]
    if others:
        raise InputError(f"has columns that hold no numbers: {_listed(others)}; drop or encode them")
    features = input_shape[1]
    if isinstance(features, int) and 0 < features != len(names):
        raise InputError(
            f"has {len(names):,} columns ({_listed(names)}), but the model takes {features:,} features"
        )
    for field in fields:
        try:
            check_type(_DTYPES[str(field.type)], dtype)
        except InputError as error:
            raise InputError(f"column {quoted(field.name)} {error}") from None
    sizes = [table.metadata.row_group(group).num_rows for group in range(table.metadata.num_row_groups)]
    if not names or not sum(sizes):
        raise InputError("holds no values")
    if min(sizes) < 0 or sum(sizes) != table.metadata.num_rows:
        raise InputError("is damaged (its counts of rows contradict each other)")
    return names


def _features(schema: Any) -> list[Any]:
    """Columns without the index of a data frame of pandas, which labels its rows."""
    fields = [schema.field(at) for at in range(len(schema))]
    try:
        stored = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return fields
    # An index that counts the rows is stored as a table, not as a column.
    index = {one for one in stored if isinstance(one, str)} if isinstance(stored, list) else set()
    return [field for field in fields if field.name not in index]


def _listed(names: Sequence[str]) -> str:
    shortened = ", ".join(shown(name)[:60] for name in names[:_MAX_NAMED])
    return shortened + (f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else "")
