"""A file of rows with the values of all inputs of one model."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy.typing as npt

from onnx_ood._dialect import named
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, quoted
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.rows.arrays import ArrayRows, listed
from onnx_ood.inputs.rows.file_types import is_archive, is_text, open_rows
from onnx_ood.inputs.rows.other_inputs import OtherRows, open_other
from onnx_ood.inputs.rows.picture_arrays import PictureRows
from onnx_ood.inputs.rows.protocol import RowRequest, Rows
from onnx_ood.inputs.rows.texts import TextRows, open_text
from onnx_ood.inputs.rows.zips import ZipRows


class Bundle:
    """Rows of an open file, with values of the model's other inputs; made by `open_bundle`.

    Attributes:
        rows: The inputs.
        columns: Names of the features of a table; empty for other files.
        notes: Notes for the user on how the file is read.
        row_bytes: Size in memory of the other inputs' values for a row.
    """

    def __init__(
        self, path: Path, rows: Rows, others: Sequence[OtherRows | TextRows], notes: Sequence[str]
    ) -> None:
        self._path = path
        self.rows = rows
        self.columns: tuple[str, ...] = getattr(rows, "columns", ())
        self.notes = (*rows.notes, *notes)
        self.row_bytes = sum(other.row_bytes for other in others)
        self._others = others

    def close(self) -> None:
        """Close the file. May be called twice."""
        self.rows.close()
        for other in self._others:
            other.close()

    def row_id(self, row: int) -> str:
        """Return the name of a row in results."""
        name = name_of(self._path)
        if isinstance(self.rows, ZipRows):
            return self.rows.names[row]
        return name if self.rows.single else f"{name}[{row}]"

    @property
    def preprocessed(self) -> bool:
        """True if the rows are pictures that were preprocessed."""
        return isinstance(self.rows, PictureRows | ZipRows)

    def others(self, row: int) -> dict[str, npt.NDArray[Any]]:
        """Values of the other inputs for a row, by name, without the batch axis.

        Raises:
            RowError: If a value is unusable.
            InputError: If the file breaks off there.
        """
        return {other.wanted.name: other.row(row) for other in self._others}


def open_bundle(
    path: Path,
    wanted: RowRequest,
    others: Sequence[RowRequest] | None,
    preprocessing: Preprocessing | None = None,
) -> Bundle:
    """Open a file of rows.

    Args:
        path: The file; its suffix determines the type.
        wanted: The model's input fed by the rows.
        others: Inputs whose values the file must hold too, which only an .npz can; None for a model of one input, for
            which further arrays of an .npz need no note.
        preprocessing: Preprocessing of pictures; None if it is unknown.

    Raises:
        InputError: If it cannot be read, does not fit the model's input, or lacks values of another input.
    """
    name = name_of(path)
    if others and not is_archive(path):
        raise InputError(f"{name}: {lacking(others)}")
    if is_text(path) and others:
        text, values = open_text(path, wanted, others)
        return Bundle(path, text, values, ())
    with ExitStack() as closer:
        rows = open_rows(path, wanted, preprocessing)
        closer.callback(rows.close)
        notes = (
            _unread(name, rows, others)
            if others is not None and isinstance(rows, ArrayRows | PictureRows)
            else []
        )
        found = []
        for other in others or ():
            found.append(open_other(path, other))
            closer.callback(found[-1].close)
            if found[-1].count not in (None, len(rows)):
                raise InputError(
                    f"{name}: array {quoted(other.name)} has {found[-1].count} rows, but {quoted(wanted.name)} has "
                    f"{len(rows)}"
                )
        closer.pop_all()
        return Bundle(path, rows, found, notes)


def _unread(name: str, rows: ArrayRows | PictureRows, others: Sequence[RowRequest]) -> list[str]:
    """Write notes on ignored arrays; InputError if a required one is missing."""
    wanted = {other.name for other in others}
    missing = [quoted(other.name) for other in others if other.name not in rows.others]
    if missing:
        raise InputError(
            f"{name}: holds no array {', '.join(missing)}, which the model takes too; it holds: "
            f"{listed([rows.member or '', *rows.others])}; add the missing arrays, or use {named('feeds')}"
        )
    return [
        f"array {quoted(extra)} of .npz files was ignored: not an input of the model, or set by {named('feeds')}"
        for extra in rows.others
        if extra not in wanted
    ]


def lacking(others: Sequence[RowRequest]) -> str:
    """Reason why an input without values for `others` is unusable."""
    names = ", ".join(quoted(other.name) for other in others)
    return (
        f"holds no values of {names}, which the model takes too; give an .npz with an array for each, or use "
        f"{named('feeds')}"
    )
