"""The contract of detectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors.features import Features, ModelInfo

FittedDetector = Callable[[Features], NDArray[np.float64]]
"""Scores N inputs, [N]: higher = more out-of-distribution, always."""

Need = Literal[
    "logits",
    "features",
    "rank_1",
    "layers",
    "norms",
    "pooled",
    "pairs",
    "smooth",
    "ring",
    "jacobian",
    "altered",
]
"""A part of the evidence; `altered` is of references alone."""


class Detector(ABC):
    """Turns what was measured of an input into one score; higher = more out-of-distribution, always.

    Attributes:
        name: How users call it.
        formula: What it computes, on one line.
        source: Where the formula is from.
        needs: Parts of the evidence that it reads.
        reference: True if it learns from reference inputs.
        two_sided: True if on some models strange inputs score unusually low: then an unusual score counts in a p-value,
            whichever way it differs.
    """

    name: str
    formula: ClassVar[str]
    source: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]]
    uses_reference: ClassVar[bool] = False
    two_sided: ClassVar[bool] = False

    @abstractmethod
    def why_not(self, info: ModelInfo) -> str | None:
        """Why it doesn't apply to a model, as the end of a sentence; None if it does."""

    def requires_reference(self, info: ModelInfo) -> bool:  # noqa: ARG002 - for detectors to which it matters
        """Whether it can't do without references on a model that it applies to."""
        return self.uses_reference

    @abstractmethod
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        """Gets ready to score.

        Args:
            info: The model; one that it applies to.
            reference: What was measured of known-good inputs; None where there are none, and then only if the
                detector does without.

        Returns:
            The scorer.
        """
