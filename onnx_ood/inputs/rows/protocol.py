"""Protocol of files with several inputs as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError


@dataclass(frozen=True)
class RowRequest:
    """An input of the model to read values for.

    Attributes:
        name: Its name.
        shape: Its shape with the batch axis; axes other than positive integers accept any size.
        dtype: Its type.
        axis: The batch axis; None if all inputs of a batch share one value.
        exact: True to take no array of an .npz but the one of this name.
        stored_axis: The axis of stored arrays along which inputs lie; `shape` has it first.
        tokenizer: The tokenizer.json for lines of text; None if the model has none.
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: np.dtype[Any]
    axis: int | None = 0
    exact: bool = False
    stored_axis: int = 0
    tokenizer: Path | None = None

    @property
    def share(self) -> tuple[int | str | None, ...]:
        """The shape of one input's value, without the batch axis."""
        return tuple(size for axis, size in enumerate(self.shape) if axis != self.axis)


class RowError(InputError):
    """One row is unusable; later rows can still be read."""


class Rows(Protocol):
    """The rows of one open file, each an input. One thread at a time."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows."""

    @property
    def row_shape(self) -> Sequence[int]:
        """Shape of one row."""

    @property
    def single(self) -> bool:
        """True if the whole file is one input, named after the file."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the user on how the file is read, known once it is open."""

    def __len__(self) -> int:
        """Count the rows, unusable ones included."""

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows start, ..., stop - 1 as [stop - start, *row_shape].

        Raises:
            RowError: If one of them is unusable.
            InputError: If the file breaks off there.
        """

    def close(self) -> None:
        """Close the file. May be called twice."""
