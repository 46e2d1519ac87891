"""Batches, and their assembly from the pieces that reading threads deliver."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.inputs.files import FailedInput
from onnx_ood.inputs.rows.protocol import RowRequest

MAX_BATCH_BYTES = 1 << 30
"""A batch that grows beyond this is handed out before it is full."""


@dataclass(frozen=True)
class Batch:
    """Inputs ready for the model.

    Attributes:
        ids: Names of the n inputs.
        tensors: [n, *input] of the model's type, contiguous; n may be 0.
        failed: Unusable inputs read together with these.
        others: Values of the model's other inputs by name, [n, *share]: the batch axis first wherever the model
            has it. For an input without batch axis all n are equal.
    """

    ids: tuple[str, ...]
    tensors: npt.NDArray[Any]
    failed: tuple[FailedInput, ...]
    others: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def digests(self) -> list[bytes]:
        """Return a digest of the values of each input, equal for equal values."""
        found = []
        for row in range(len(self)):
            digest = hashlib.blake2b(digest_size=16)
            for _, values in (("", self.tensors), *sorted(self.others.items())):
                digest.update(repr((values.shape[1:], values.dtype.str)).encode())
                digest.update(np.ascontiguousarray(values[row]).tobytes())
            found.append(digest.digest())
        return found

    def part(self, start: int, stop: int) -> "Batch":
        """Select inputs start, ..., stop - 1 (fewer at the end), without failures."""
        others = {name: values[start:stop] for name, values in self.others.items()}
        return Batch(self.ids[start:stop], self.tensors[start:stop], (), others)

    def take(self, rows: npt.NDArray[np.int64]) -> "Batch":
        """Select inputs by index, without failures."""
        others = {name: values[rows] for name, values in self.others.items()}
        return Batch(tuple(self.ids[row] for row in rows), self.tensors[rows], (), others)


@dataclass(frozen=True)
class Piece:
    """Result of a task: usable rows [n, *input] with their ids and other values, failures, and a note for the user."""

    ids: list[str] = field(default_factory=list)
    tensors: npt.NDArray[Any] | None = None
    failed: list[FailedInput] = field(default_factory=list)
    others: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    note: str = ""


class Assembly:
    """Assembles batches from pieces, by the rules of `Reader`."""

    def __init__(
        self,
        batch: int,
        input_shape: Sequence[int | str | None],
        dtype: np.dtype[Any],
        others: Sequence[RowRequest] = (),
    ) -> None:
        self._batch = batch
        self._wanted = others
        free = (axis if isinstance(axis, int) and axis > 0 else 0 for axis in input_shape[1:])
        self._nothing: npt.NDArray[Any] = np.empty((0, *free), dtype)
        self._ids: list[str] = []
        self._tensors: list[npt.NDArray[Any]] = []
        self._others: list[dict[str, npt.NDArray[Any]]] = []
        self._failed: list[FailedInput] = []
        self._bytes = 0

    def add(self, piece: Piece) -> Iterator[Batch]:
        """Add a piece; yields every batch that it completes."""
        tensors = () if piece.tensors is None else piece.tensors
        others_of = piece.others or [{} for _ in piece.ids]
        for identity, tensor, others in zip(piece.ids, tensors, others_of, strict=True):
            if self._tensors and not self._fits(tensor, others):
                yield self._hand_out()
            self._ids.append(identity)
            self._tensors.append(tensor)
            self._others.append(others)
            self._bytes += tensor.nbytes + sum(value.nbytes for value in others.values())
            if len(self._ids) == self._batch or self._bytes >= MAX_BATCH_BYTES:
                yield self._hand_out()
        for failure in piece.failed:
            self._failed.append(failure)
            if len(self._failed) == self._batch:
                yield self._hand_out()

    def rest(self) -> Iterator[Batch]:
        """Yield the remainder as a last batch."""
        if self._ids or self._failed:
            yield self._hand_out()

    def _fits(self, tensor: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Return whether a row can share a batch with the collected ones."""
        return self._tensors[0].shape == tensor.shape and all(
            np.array_equal(self._others[0][one.name], others[one.name])
            if one.axis is None
            else self._others[0][one.name].shape == others[one.name].shape
            for one in self._wanted
        )

    def _hand_out(self) -> Batch:
        tensors = np.stack(self._tensors) if self._tensors else self._nothing
        others = {
            one.name: np.stack([values[one.name] for values in self._others])
            for one in self._wanted
            if self._others
        }
        batch = Batch(tuple(self._ids), tensors, tuple(self._failed), others)
        self._ids, self._tensors, self._others, self._failed, self._bytes = [], [], [], [], 0
        return batch
