"""Terms of a score: what detectors that combine several say about an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.activity_profile import NUMBERS
from onnx_ood.detectors.features import Features

NO_LAYER = -1
"""In place of a layer, for a term that reads none."""


NO_ALTERATION = -1
"""In place of an alteration, for a term that does not learn from altered references."""


@dataclass(frozen=True)
class Term:
    """Term of a combined score.

    Attributes:
        name: Identifier in snake_case.
        meaning: High values in a few words, for reports.
    """

    name: str
    meaning: str


@dataclass(frozen=True)
class TermValues:
    """Values of K terms for N inputs.

    Attributes:
        values: The values, float64 [N, K]; higher = more out-of-distribution. Comparable between terms.
        layers: Layer that contributes most to each value, by its place in activity profiles, int [N, K]; `NO_LAYER` for
            a term that reads no layers.
        alterations: Altered references towards which each value points most, by their place in `Features.altered`,
            int [N, K]; `NO_ALTERATION` for a term that does not learn from them. None if no term does.
    """

    values: Float
    layers: NDArray[np.intp]
    alterations: NDArray[np.intp] | None = None


@runtime_checkable
class CombinedDetector(Protocol):
    """Fitted detector that combines terms: a `FittedDetector` with these attributes is explained by its terms."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """The K terms."""

    @property
    def left_out(self) -> Mapping[str, str]:
        """Reasons why terms of the detector are not used on this model, by name."""

    @property
    def held_out(self) -> Float | None:
        """Scores of the references, each by a detector fitted to others, float64 [n]; None if they are not known."""

    def explain(self, features: Features) -> TermValues:
        """Return the terms of the scores of N inputs."""


def differing_terms(then: Sequence[str], now: Sequence[str]) -> str:
    """Say in words that a detector combines other terms; empty if it does not, or one has none.

    Args:
        then: Names of the terms in the first result.
        now: Names of the terms in the second.

    >>> differing_terms(["activity", "uncertainty"], ["activity"])
    'its terms were activity, uncertainty, now activity'
    >>> differing_terms([], ["activity"])
    ''
    """
    if not then or not now or set(then) == set(now):
        return ""
    names = (", ".join(name.replace("_", " ") for name in terms) for terms in (then, now))
    return f"its terms were {', now '.join(names)}"


def largest_layers(contributions: Float) -> NDArray[np.intp]:
    """Return the layer of each input with the largest sum of contributions.

    Args:
        contributions: Contribution of each number of an activity profile, float64 [N, 9·L].

    Returns:
        Places of layers, int [N].

    >>> largest_layers(np.array([[1.0] * 9 + [3.0] * 4 + [-2.0] * 5]))
    array([0])
    """
    by_layer = contributions.reshape(len(contributions), -1, NUMBERS).sum(axis=2)
    largest: NDArray[np.intp] = by_layer.argmax(axis=1)
    return largest
