"""What the reader knows of a file that holds several inputs: how many, of what shape, and how to get them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError


@dataclass(frozen=True)
class RowRequest:
    """An input of the model that values are wanted for.

    Attributes:
        name: Its name.
        shape: Its shape with the batch axis; what is no positive integer fits any size.
        dtype: Its type.
        axis: The batch axis; None if all inputs of a batch share one value.
        exact: True to take no array of an .npz but the one of this name.
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: np.dtype[Any]
    axis: int | None = 0
    exact: bool = False

    @property
    def share(self) -> tuple[int | str | None, ...]:
        """The shape without the batch axis: what belongs to one input."""
        return tuple(size for axis, size in enumerate(self.shape) if axis != self.axis)


class RowError(InputError):
    """One row can't be used; those behind it can be read all the same."""


class Rows(Protocol):
    """The rows of one open file, each an input. One thread at a time."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in which rows come."""

    @property
    def row_shape(self) -> Sequence[int]:
        """Shape of one row."""

    @property
    def single(self) -> bool:
        """Whether the file as a whole is one input, which goes by the file's name."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the file is taken; known once it is open."""

    def __len__(self) -> int:
        """How many rows, those included that will turn out to be unusable."""

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows start, ..., stop - 1 as [stop - start, *row_shape].

        Raises:
            RowError: If one of them can't be used.
            InputError: If the file breaks off there.
        """

    def close(self) -> None:
        """Close the file. May be called twice."""
