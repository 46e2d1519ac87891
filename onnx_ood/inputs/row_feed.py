"""Sequential reading of rows, one file open at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.assembly import Piece
from onnx_ood.inputs.files import FailedInput, name_of, reason_in
from onnx_ood.inputs.rows.arrays import to_type
from onnx_ood.inputs.rows.bundle import Bundle
from onnx_ood.inputs.rows.protocol import RowError


class RowFeed:
    """Reads rows of arrays, waveforms and tables, one file open at a time, in one thread."""

    def __init__(self, opener: Callable[[Path], Bundle], dtype: np.dtype[Any]) -> None:
        self._opener = opener
        self._dtype = dtype
        self._path: Path | None = None
        self._file: Bundle | None = None
        self._broken = False

    def close(self) -> None:
        """Close the file that is open, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def take(self, path: Path, start: int, stop: int) -> Piece:
        """Read rows start, ..., stop - 1 of a file.

        A new path, or row 0, opens the file.
        """
        name = name_of(path)
        if start == 0 or path != self._path:
            self.close()
            self._path = path
            self._broken = False
        elif self._broken:
            return Piece()  # reported with the row where the file broke off
        try:
            if self._file is None:
                self._file = self._opener(path)
        except InputError as error:
            self._broken = True
            return Piece(failed=[FailedInput(f"{name}[{start}:]", reason_in(error, name))])
        rows = self._file.rows
        if stop > len(rows):
            self._broken = True
            return Piece(failed=[FailedInput(f"{name}[{start}:]", "was changed while it was read")])
        ids, values, others, failed = [], [], [], []
        # Row by row: where a file breaks off, the rows before it count, however they were shared out.
        for row in range(start, stop):
            identity = self._file.row_id(row)
            try:
                value, other = rows.rows(row, row + 1), self._file.others(row)
            except RowError as error:
                failed.append(FailedInput(identity, reason_in(error, name)))
            except InputError as error:
                self._broken = True
                failed.append(FailedInput(name if rows.single else f"{name}[{row}:]", reason_in(error, name)))
                break
            else:
                ids.append(identity)
                values.append(value)
                others.append(other)
        if not values:
            return Piece(failed=failed)
        if len({value.shape for value in values}) == 1:
            tensors, bad = to_type(np.concatenate(values), self._dtype)
        else:  # lines of text of several lengths
            converted = [to_type(value, self._dtype) for value in values]
            tensors = np.empty(len(values), object)
            for at, (one, _) in enumerate(converted):
                tensors[at] = one[0]
            bad = np.array([wrong[0] for _, wrong in converted])
        reason = f"holds NaN, infinity or a value outside the range of {self._dtype.name}"
        unusable = [FailedInput(ids[at], reason) for at in np.flatnonzero(bad)]
        good = np.flatnonzero(~bad)
        return Piece(
            [ids[at] for at in good],
            tensors[good] if unusable else tensors,
            unusable + failed,
            [others[at] for at in good],
        )
