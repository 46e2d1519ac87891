"""Rows of .csv and .tsv tables, one feature a column, and lists of paths in tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, quoted, reason_of
from onnx_ood.inputs.rows.arrays import check_type, listed, to_type
from onnx_ood.inputs.rows.protocol import RowError
from onnx_ood.inputs.shapes import shape_text

SUFFIXES = frozenset({".csv", ".tsv"})

MAX_TABLE_BYTES = 1 << 28
"""A larger table is refused: it is read whole. Parquet is streamed."""

PATH_COLUMNS = (
    "path", "paths", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "input",
)  # fmt: skip
"""Names of the column of paths in a list of inputs, in any case."""

CLASS_COLUMNS = ("class", "label", "labels", "target", "category")
"""Names of the column of classes, in any case."""

_INDEX_NAMES = ("", "unnamed: 0", "__index_level_0__")  # as pandas writes its index
_WORDS = {"true": 1.0, "false": 0.0}


class CsvRows:
    """The rows of one table, in the type that the model takes; made by `open_csv`.

    Attributes:
        path: The file.
        columns: Names of the columns that are features, in the order of the file.
        dtype: The type of the rows.
        row_shape: [features].
        single: False: a table's rows have numbers.
        notes: Columns that were left out.
    """

    single = False

    def __init__(
        self,
        path: Path,
        columns: tuple[str, ...],
        cells: list[list[str]],
        dtype: np.dtype[Any],
        notes: tuple[str, ...],
    ) -> None:
        self.path, self.columns, self.dtype, self.notes = path, columns, dtype, notes
        self.row_shape = (len(columns),)
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    def close(self) -> None:
        """Do nothing: the file is read whole."""

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows start, ..., stop - 1 as a fresh array [stop - start, features].

        Raises:
            RowError: If a cell is empty, no number, or a value that the type cannot hold.
        """
        out = np.empty((stop - start, *self.row_shape), self.dtype)
        for row in range(start, stop):
            cells = self._cells[row]
            if len(cells) != len(self.columns):
                raise RowError(
                    f"{name_of(self.path)}: has {len(cells):,} cells, but the table has {len(self.columns):,} columns"
                )
            values = [self._value(cell, at) for at, cell in enumerate(cells)]
            exact = np.array(values, np.int64 if all(isinstance(one, int) for one in values) else np.float64)
            if self.dtype.kind in "iu" and exact.dtype.kind == "f":
                raise RowError(
                    f"{name_of(self.path)}: holds fractions, but the model takes {self.dtype.name}"
                )
            converted, unfit = to_type(exact[np.newaxis], self.dtype)
            if unfit[0]:
                raise RowError(
                    f"{name_of(self.path)}: holds NaN, infinity or a value outside the range of {self.dtype.name}"
                )
            out[row - start] = converted[0]
        return out

    def _value(self, cell: str, at: int) -> int | float:
        number = _number(cell)
        if number is None:
            what = "is empty" if not cell.strip() else f"holds {quoted(cell[:40])}, which is not a number"
            raise RowError(f"{name_of(self.path)}: column {quoted(self.columns[at])} {what}")
        return number


def open_csv(path: Path, *, input_shape: Sequence[int | str | None], dtype: np.dtype[Any]) -> CsvRows:
    """Read a table of features.

    The first line is a header if one of its cells is not a number. An index as pandas writes it (a first column
    without a name that counts the rows) is left out. So are columns of classes (`CLASS_COLUMNS`) and of text, if the
    table has more columns than the model takes features.

    Args:
        path: The file, UTF-8; cells are separated by commas, semicolons or tabs.
        input_shape: [N, features]; any other value than a positive integer accepts all numbers of columns.
        dtype: The model's type.

    Raises:
        InputError: If the file cannot be read or does not fit the model.
    """
    name = name_of(path)
    # Read first: the file may be a damaged list of paths for a model of any other input.
    header, cells = read_cells(path)
    if len(input_shape) != 2:
        raise InputError(
            f"{name}: is a table, but the model takes {shape_text(input_shape)}, not [N,features]"
        )
    if dtype.kind not in "fiub":
        raise InputError(f"{name}: is a table of numbers, but the model takes {dtype.name}")
    if not cells:
        raise InputError(f"{name}: holds no rows")
    width = len(header)
    features = input_shape[1] if isinstance(input_shape[1], int) and input_shape[1] > 0 else None
    keep = list(range(width))
    notes = []
    if header[0].strip().lower() in _INDEX_NAMES and width > 1 and _counts(cells):
        keep = keep[1:]
        notes.append("the first column of tables counts the rows (an index of pandas) and was left out")
    if features is not None and len(keep) > features:
        left_out = [at for at in keep if header[at].strip().lower() in CLASS_COLUMNS]
        left_out += [at for at in keep if at not in left_out and _is_text(cells, at)]
        if len(keep) - len(left_out) == features:
            keep = [at for at in keep if at not in left_out]
            notes.append(f"columns of tables were left out: {listed([header[at] for at in left_out])}")
    if features is not None and len(keep) != features:
        raise InputError(
            f"{name}: has {len(keep):,} columns ({listed([header[at] for at in keep])}), but the model takes "
            f"{features:,} features"
        )
    columns = tuple(header[at] for at in keep)
    check_type(np.dtype(np.int64), dtype)
    if len(keep) < width:
        cells = [[row[at] for at in keep] if len(row) == width else row for row in cells]
    return CsvRows(path, columns, cells, dtype, tuple(notes))


def read_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table as texts.

    Returns:
        The names of the columns (their numbers without a header), and the rows.

    Raises:
        InputError: If the file cannot be read as a table.
    """
    name = name_of(path)
    with open_regular(path, max_bytes=MAX_TABLE_BYTES) as file:
        try:
            text = file.read(MAX_TABLE_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"{name}: is not UTF-8 text; save it as such") from None
    first = text.split("\n", 1)[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    lines = [row for _, row in split_lines(text, separator, name)]
    if not lines:
        raise InputError(f"{name}: is empty")
    if all(_number(cell) is not None for cell in lines[0]):
        return [str(at) for at in range(len(lines[0]))], lines
    return lines[0], lines[1:]


def split_lines(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a table that are not empty, each with its number from 1.

    Args:
        text: Content of the file.
        separator: Character between cells.
        name: Name of the file, for errors.

    Raises:
        InputError: If a quote is not closed in its line, by which all lines to the next quote would be one cell.

    >>> list(split_lines('a,"b,c"', ",", "x.csv"))
    [(1, ['a', 'b,c'])]
    """
    # After the empty line at the end, a quote in the last line spans lines, too.
    rows = csv.reader(StringIO(f"{text}\n\n", newline=""), delimiter=separator)
    number = 1
    reason = ""
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            row, reason = [], reason_of(error)
        if rows.line_num > number:
            raise InputError(
                f"{name}: a quote opened in line {number:,} is not closed in that line; remove it, or the line breaks "
                "from the cell"
            )
        if reason:
            raise InputError(f"{name}: is not a table of text (line {number:,}: {reason})")
        if row is None:
            return
        if row:
            yield number, row
        number += 1


def listed_paths(path: Path) -> list[str] | None:
    """Return the paths in a table that lists inputs; None for other tables, and for files that cannot be read.

    The paths are in the first column with a name of `PATH_COLUMNS` without cells of numbers. They are relative to
    the table's folder, or, if that has no such file, to the working folder.

    Args:
        path: A .csv, .tsv or .parquet file.
    """
    try:
        cells = _texts(path)
    except InputError:
        return None
    if cells is None:
        return None
    beside = (path.parent / cell for cell in cells)
    return [str(near) if near.exists() else cell for near, cell in zip(beside, cells, strict=True)]


def _texts(path: Path) -> list[str] | None:
    if path.suffix.lower() == ".parquet":
        return _parquet_texts(path)
    header, rows = read_cells(path)
    at = next((at for at, name in enumerate(header) if name.strip().lower() in PATH_COLUMNS), None)
    if at is None or not rows or any(_number(row[at]) is not None for row in rows if len(row) > at):
        return None
    return [row[at] for row in rows if len(row) > at]


def _parquet_texts(path: Path) -> list[str] | None:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        return None
    try:
        with open_regular(path, max_bytes=MAX_TABLE_BYTES) as file, parquet.ParquetFile(file) as table:
            schema = table.schema_arrow
            name = next(
                (
                    one.name
                    for one in schema
                    if one.name.lower() in PATH_COLUMNS and "string" in str(one.type)
                ),
                None,
            )
            return None if name is None else [str(one) for one in table.read([name]).column(0).to_pylist()]
    # What pyarrow raises on bytes that it doesn't expect: ArrowInvalid, OSError...
    except Exception:
        return None


def _counts(cells: list[list[str]]) -> bool:
    first = _number(cells[0][0])
    return first in (0, 1) and all(_number(row[0]) == first + at for at, row in enumerate(cells) if row)


def _is_text(cells: list[list[str]], at: int) -> bool:
    filled = [row[at] for row in cells if len(row) > at and row[at].strip()]
    return bool(filled) and all(_number(cell) is None for cell in filled)


def _number(cell: str) -> int | float | None:
    text = cell.strip()
    if text.lower() in _WORDS:
        return int(_WORDS[text.lower()])
    if "_" in text or len(text) > 400:  # Python reads 1_000 as a number
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return math.nan if text.lower() in ("na", "n/a") else None
