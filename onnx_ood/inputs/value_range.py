"""Range of tensors that are fed as they are, against the range that the preprocessing gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.inputs.preprocessing.spec import Preprocessing

# Fraction of the expected range by which values may leave it.
_TOLERANCE = 0.1
# Expected bounds beyond these differ clearly from 0 and 1.
_CLEARLY_BELOW_0, _CLEARLY_ABOVE_1 = -0.25, 1.5


class ValueRange:
    """Smallest and largest value of tensors that are fed as they are.

    Only tensors for a model of pictures with a known preprocessing have an expected range: that of black to white.
    """

    def __init__(self, preprocessing: Preprocessing | None) -> None:
        """Compute the expected range.

        Args:
            preprocessing: Preprocessing of pictures; None if unknown.
        """
        self._expected: tuple[float, float] | None = None
        if preprocessing is not None:
            mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
            self._expected = float((-mean / std).min()) + 0.0, float(((1 - mean) / std).max())
        self._low, self._high = np.inf, -np.inf

    def add(self, tensors: npt.NDArray[Any]) -> None:
        """Add tensors of numbers."""
        if self._expected is not None and tensors.size and tensors.dtype.kind == "f":
            self._low = min(self._low, float(tensors.min()))
            self._high = max(self._high, float(tensors.max()))

    @property
    def notes(self) -> tuple[str, ...]:
        """A warning if the range does not fit the preprocessing."""
        if self._expected is None or self._low > self._high:
            return ()
        low, high = self._expected
        margin = _TOLERANCE * (high - low)
        outside = self._low < low - margin or self._high > high + margin
        raw = (
            self._low >= 0
            and self._high <= 1
            and self._low < self._high
            and (low < _CLEARLY_BELOW_0 or high > _CLEARLY_ABOVE_1)
        )
        if not (outside or raw):
            return ()
        return (
            f"The arrays hold values from {self._low:.4g} to {self._high:.4g}, but the preprocessing of pictures gives "
            f"{low:.4g} to {high:.4g}. Such arrays are fed as they are: unless they are preprocessed, all numbers are "
            "wrong (uint8 arrays are preprocessed).",
        )
