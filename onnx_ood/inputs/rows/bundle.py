"""A file of rows with everything that it holds for one model: the inputs, and what goes with each of them."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy.typing as npt

from onnx_ood._dialect import named
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, quoted
from onnx_ood.inputs.rows.arrays import ArrayRows, listed
from onnx_ood.inputs.rows.file_types import is_archive, open_rows
from onnx_ood.inputs.rows.other_inputs import OtherRows, open_other
from onnx_ood.inputs.rows.protocol import RowRequest, Rows


class Bundle:
    """The rows of one open file, and the values of the model's other inputs for each; made by `open_bundle`.

    Attributes:
        rows: The inputs.
        notes: What the user should know about how the file is taken.
        row_bytes: Size of what goes with a row, in memory.
    """

    def __init__(self, rows: Rows, others: Sequence[OtherRows], notes: Sequence[str]) -> None:
        self.rows = rows
        self.notes = (*rows.notes, *notes)
        self.row_bytes = sum(other.row_bytes for other in others)
        self._others = others

    def close(self) -> None:
        """Close the file. May be called twice."""
        self.rows.close()
        for other in self._others:
            other.close()

    def others(self, row: int) -> dict[str, npt.NDArray[Any]]:
        """What goes with a row, by input, each without the batch axis.

        Raises:
            RowError: If a value can't be used.
            InputError: If the file breaks off there.
        """
        return {other.wanted.name: other.row(row) for other in self._others}


def open_bundle(path: Path, wanted: RowRequest, others: Sequence[RowRequest] | None) -> Bundle:
    """Open a file that is no picture.

    Args:
        path: The file; its suffix says of what kind it is.
        wanted: The model's input that its rows are.
        others: The inputs that the file has to hold values of as well, which only an .npz can; None for a model of
            one input, where nobody has to know which further arrays an .npz holds.

    Raises:
        InputError: If it can't be read, doesn't fit the model's input, or holds no values of another input.
    """
    name = name_of(path)
    if others and not is_archive(path):
        raise InputError(f"{name}: {lacking(others)}")
    with ExitStack() as closer:
        rows = open_rows(path, wanted)
        closer.callback(rows.close)
        notes = _unread(name, rows, others) if others is not None and isinstance(rows, ArrayRows) else []
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
        return Bundle(rows, found, notes)


def _unread(name: str, rows: ArrayRows, others: Sequence[RowRequest]) -> list[str]:
    """Notes about arrays beside the rows that nobody wants; InputError if one is wanted and not there."""
    wanted = {other.name for other in others}
    missing = [quoted(other.name) for other in others if other.name not in rows.others]
    if missing:
        raise InputError(
            f"{name}: holds no array {', '.join(missing)}, which the model takes too; it holds: "
            f"{listed([rows.member or '', *rows.others])}; add the missing arrays, or use {named('feeds')}"
        )
    return [
        f"array {quoted(extra)} of .npz files was not read: it is no input of the model, or is set by {named('feeds')}"
        for extra in rows.others
        if extra not in wanted
    ]


def lacking(others: Sequence[RowRequest]) -> str:
    """Why a file of another kind than .npz can't be used where several inputs are wanted."""
    names = ", ".join(quoted(other.name) for other in others)
    return (
        f"holds no values of {names}, which the model takes too; give an .npz with an array for each, or use "
        f"{named('feeds')}"
    )
