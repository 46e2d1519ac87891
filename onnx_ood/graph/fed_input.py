"""The model input that takes the batch, with its batch axis first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_ood._types import Array
from onnx_ood.graph.catalogue.tensors import Tensor


@dataclass(frozen=True, slots=True)
class FedInput(Tensor):
    """The model input that takes the batch.

    Its `shape` has the batch axis first, as all arrays in this package have: `[N, *input]`. Only `arrange` knows where
    the model has it.

    Attributes:
        batch_axis: The batch axis of the model's input; None if the model takes one input without a batch axis, for
            which `shape` has a first axis of size 1.
        reason: Why it is that axis; empty if it is the first, as usual.
    """

    batch_axis: int | None = 0
    reason: str = ""

    @property
    def choice(self) -> str:
        """The batch axis as a setting."""
        return "none" if self.batch_axis is None else str(self.batch_axis)

    @property
    def moved(self) -> bool:
        """True if the model's input differs from the arrays of this package."""
        return self.batch_axis != 0

    @property
    def note(self) -> str:
        """Sentence on an axis that is not the first; empty else."""
        if self.batch_axis is None:
            return f"The model input {self.name} has no batch axis ({self.reason}); inputs were run one at a time."
        return (
            f"The batch axis of the model input {self.name} is axis {self.batch_axis} ({self.reason})."
            * self.moved
        )

    def arrange(self, values: Array) -> Array:
        """Arrange inputs as the model takes them.

        Args:
            values: [R, *input]; R is 1 if the model has no batch axis.
        """
        if self.batch_axis is None:
            assert len(values) == 1
            return np.asarray(values[0])
        return np.ascontiguousarray(np.moveaxis(values, 0, self.batch_axis)) if self.batch_axis else values
