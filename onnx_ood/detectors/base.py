"""Contract of detectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features, ModelInfo

FittedDetector = Callable[[Features], Float]
"""Scores N inputs: float64 [N], higher = more out-of-distribution.

Picklable: a function of a module, a `functools.partial` of one, or a dataclass with `__call__`; no closure.
"""

Need = Literal[
    "logits",
    "features",
    "rank_1",
    "activity",
    "peaks",
    "norms",
    "pooled",
    "pairs",
    "smooth",
    "ring",
    "jacobian",
    "altered",
]
"""A part of the features to measure; `altered` is measured on references only."""


class Detector(ABC):
    """Turns the features of an input into one score; higher = more out-of-distribution.

    A subclass sets the attributes without a default, and is made known by `register_detector`. Its constructor takes
    no required arguments.

    Attributes:
        name: Identifier in snake_case, as users type it.
        formula: Formula of the score, on one line.
        source: Publication of the formula.
        needs: Parts of the features that it reads.
        order: Position in lists of detectors, ascending; detectors with equal positions are sorted by name.
        uses_reference: True if it learns from reference inputs.
        two_sided: True if, on some models, out-of-distribution inputs score unusually low. P-values then count
            unusual scores in both directions.
    """

    name: str
    formula: ClassVar[str]
    source: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]]
    order: ClassVar[int] = 1000
    uses_reference: ClassVar[bool] = False
    two_sided: ClassVar[bool] = False

    @abstractmethod
    def why_not(self, info: ModelInfo) -> str | None:
        """Return the reason why the detector does not apply to a model, or None.

        Args:
            info: The model.

        Returns:
            A clause without a full stop, such as "no linear layer gives the model's output".
        """

    def requires_reference(self, info: ModelInfo) -> bool:  # noqa: ARG002 - read by subclasses
        """Return whether the detector requires references for a model that it applies to."""
        return self.uses_reference

    def why_not_references(self, reference: Features) -> str | None:  # noqa: ARG002 - read by subclasses
        """Return the reason why the detector cannot learn from these references, or None.

        Args:
            reference: Features of references, with the parts in `needs`.

        Returns:
            A clause without a full stop, such as "it requires 10 references of each class".
        """
        return None

    @abstractmethod
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        """Learn from a model and from reference inputs.

        Args:
            info: A model that the detector applies to.
            reference: Features of reference inputs; None only if the detector does not require them.

        Returns:
            The fitted detector. Scores of an input do not depend on the other inputs of a call.
        """
