"""Table of numbers on disk: written row by row, read column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from onnx_ood._types import Float
from onnx_ood.metrics.quantiles import Values

# Rows are written in blocks of about this size, within which each column is contiguous.
_BLOCK_BYTES = 1 << 18
# A column is read this many rows at a time, or a block.
_PIECE_ROWS = 1 << 16


class ColumnStore:
    """Rows of `width` numbers, float64, in a file.

    A file of rows would have to be read completely for each column; one file per column would be many files.
    """

    def __init__(self, file: BinaryIO, width: int) -> None:
        """Start empty.

        Args:
            file: An empty file for reading and writing, for exclusive use.
            width: Numbers per row, at least 1.
        """
        self._file = file
        self._block: Float = np.empty((width, max(1, _BLOCK_BYTES // (8 * width))))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, row: Sequence[float | None]) -> None:
        """Append a row; None is stored as NaN."""
        size = self._block.shape[1]
        self._block[:, self._count % size] = np.array(row, dtype=np.float64)
        self._count += 1
        if self._count % size == 0:
            self._file.seek(0, 2)
            self._file.write(self._block.data)

    def column(self, at: int) -> Values:
        """Return a column, [N]; valid until a row is added."""
        return Values(self._count, lambda: self._pieces(at))

    def _pieces(self, at: int) -> Iterator[Float]:
        size = self._block.shape[1]
        together = max(1, _PIECE_ROWS // size)
        full = self._count // size
        for first in range(0, full, together):
            blocks = range(first, min(first + together, full))
            piece = np.empty((len(blocks), size))
            for row, block in zip(piece, blocks, strict=True):
                self._file.seek(block * self._block.nbytes + at * size * 8)
                row[:] = np.frombuffer(self._file.read(size * 8))
            yield piece.reshape(-1)
        yield self._block[at, : self._count % size]

    def blocks(self) -> Iterator[Float]:
        """Yield all rows in order, in blocks [n, width]."""
        size = self._block.shape[1]
        for block in range(self._count // size):
            self._file.seek(block * self._block.nbytes)
            values = np.frombuffer(self._file.read(self._block.nbytes)).reshape(self._block.shape)
            yield np.ascontiguousarray(values.T)
        rest = self._block[:, : self._count % size]
        if rest.size:
            yield np.ascontiguousarray(rest.T)
