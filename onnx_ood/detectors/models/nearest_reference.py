"""Nearest reference of an input, as an example of what the input was compared with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.base import Need
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.models.gaussian import Standardizer

_Part = Literal["activity", "features", "logits"]

# Inputs whose distances to all references are computed at once.
_MAX_ROWS = 256


@dataclass(frozen=True)
class NearestReference:
    """Finds the nearest reference by Euclidean distance of standardised features.

    Attributes:
        part: Part of the features that is compared.
        standardizer: Mean and standard deviation of the references.
        references: Standardised references, float64 [n, K].
    """

    part: _Part
    standardizer: Standardizer
    references: Float

    @staticmethod
    def of(reference: Features, needs: Collection[Need]) -> NearestReference | None:
        """Choose what is compared: the activity of layers, else the features, else the logits.

        Args:
            reference: Features of n references, n at least 2, finite.
            needs: Parts of the features that the detector reads.

        Returns:
            The finder; None if all parts that the detector reads are missing or equal for all references.
        """
        parts: tuple[_Part, ...] = ("activity", "features", "logits")
        for part in parts:
            values: Float | None = getattr(reference, part)
            if part in needs and values is not None:
                standardizer = Standardizer.of(values)
                if len(standardizer.kept):
                    return NearestReference(part, standardizer, standardizer.apply(values))
        return None

    def __call__(self, features: Features) -> NDArray[np.intp]:
        """Return the index of the nearest reference of N inputs, int [N]; of equally near ones the first."""
        rows = self.standardizer.apply(getattr(features, self.part))
        squares = (self.references**2).sum(axis=1)
        found = [
            # The square of the input itself does not change the order.
            (squares - 2 * (rows[start : start + _MAX_ROWS] @ self.references.T)).argmin(axis=1)
            for start in range(0, len(rows), _MAX_ROWS)
        ]
        return np.concatenate([np.empty(0, np.intp), *found])
