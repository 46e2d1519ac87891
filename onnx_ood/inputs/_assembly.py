"""Batches, and how they are put together from what the reading threads hand over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.inputs._files import FailedInput

MAX_BATCH_BYTES = 1 << 30
"""A batch that grows beyond this is handed out before it is full."""


@dataclass(frozen=True)
class Batch:
    """Some inputs, ready for the model.

    Attributes:
        ids: Names of the n inputs.
        tensors: [n, *input] of the model's type, contiguous; n may be 0.
        failed: Inputs that stood between (or before, or after) these and could not be used.
    """

    ids: tuple[str, ...]
    tensors: npt.NDArray[Any]
    failed: tuple[FailedInput, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Piece:
    """What a thread hands over: good rows [n, *input] with their n ids, and failures."""

    ids: list[str] = field(default_factory=list)
    tensors: npt.NDArray[Any] | None = None
    failed: list[FailedInput] = field(default_factory=list)


class Assembly:
    """Makes batches out of pieces, by the rules that `Reader` states."""

    def __init__(self, batch: int, input_shape: Sequence[int | str | None], dtype: np.dtype[Any]) -> None:
        self._batch = batch
        free = (axis if isinstance(axis, int) and axis > 0 else 0 for axis in input_shape[1:])
        self._nothing: npt.NDArray[Any] = np.empty((0, *free), dtype)
        self._ids: list[str] = []
        self._tensors: list[npt.NDArray[Any]] = []
        self._failed: list[FailedInput] = []
        self._bytes = 0

    def add(self, piece: Piece) -> Iterator[Batch]:
        for identity, tensor in zip(piece.ids, () if piece.tensors is None else piece.tensors, strict=True):
            if self._tensors and self._tensors[0].shape != tensor.shape:
                yield self._hand_out()
            self._ids.append(identity)
            self._tensors.append(tensor)
            self._bytes += tensor.nbytes
            if len(self._ids) == self._batch or self._bytes >= MAX_BATCH_BYTES:
                yield self._hand_out()
        for failure in piece.failed:
            self._failed.append(failure)
            if len(self._failed) == self._batch:
                yield self._hand_out()

    def rest(self) -> Iterator[Batch]:
        if self._ids or self._failed:
            yield self._hand_out()

    def _hand_out(self) -> Batch:
        tensors = np.stack(self._tensors) if self._tensors else self._nothing
        batch = Batch(tuple(self._ids), tensors, tuple(self._failed))
        self._ids, self._tensors, self._failed, self._bytes = [], [], [], 0
        return batch
