"""Steps of a piecewise-linear network, applied to many points at once.

The value of a tensor at one point, as the model computes it with a batch of one, is a *sample*; here tensors are
[M, *sample] for M points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Array

# Maps the values of inputs that depend on the point, [M, *sample] each, to those of the output.
Function: TypeAlias = Callable[..., Array]

# Values with a smaller relative difference may be the same value, rounded in two ways.
TIE_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Affine:
    """A step without boundaries.

    Attributes:
        inputs: Tensors that it reads.
        output: The tensor that it computes.
        apply: Values of the inputs, [M, *sample] each → values of the output.
    """

    inputs: tuple[str, ...]
    output: str
    apply: Function


@dataclass(frozen=True)
class Elementwise:
    """Units with boundaries at thresholds of their pre-activation: ReLU and similar.

    Attributes:
        inputs: The pre-activation.
        output: The activation.
        apply: The activation function.
        thresholds: Thresholds, ascending.
    """

    inputs: tuple[str, ...]
    output: str
    apply: Function
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Maximum:
    """Units that take the largest, or smallest, of several values.

    Attributes:
        inputs: Tensors that it reads.
        output: The tensor that it computes.
        candidates: Values of the inputs → candidates of each of W units, [M, W, E]; −∞ for padding. For minima all
            signs are reversed.
        finish: The largest of each, [M, W] → values of the output.
    """

    inputs: tuple[str, ...]
    output: str
    candidates: Function
    finish: Callable[[Array], Array]


Step: TypeAlias = Affine | Elementwise | Maximum


@dataclass(frozen=True)
class Program:
    """The part of a network that its units depend on.

    Attributes:
        input: Name of the input.
        sample: Shape of one input, including its batch axis of 1.
        steps: The steps in order. Each tensor is computed by one step.
    """

    input: str
    sample: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the tensors computed by units, in order."""
        return tuple(step.output for step in self.steps if not isinstance(step, Affine))

    def last_use(self) -> dict[str, int]:
        """Index of the last step that reads each tensor."""
        return {name: i for i, step in enumerate(self.steps) for name in step.inputs}


def value_of(step: Step, points: Sequence[Array]) -> Array:
    """Compute the output of a step.

    Args:
        step: The step.
        points: Values of its inputs, [M, *sample] each.

    Returns:
        Values of its output, [M, *sample].
    """
    if isinstance(step, Maximum):
        return step.finish(step.candidates(*points).max(axis=-1))
    return step.apply(*points)


def states_between(step: Elementwise, left: Array, right: Array) -> NDArray[np.uint8]:
    """Find the states of units along an interval in which none of them crosses a threshold.

    Args:
        step: The units.
        left: Pre-activations at the start of the interval, any shape.
        right: Pre-activations at its end.

    Returns:
        Number of thresholds below each pre-activation.
    """
    middle = (left + right) / 2
    states: NDArray[np.uint8] = sum((middle > t).astype(np.uint8) for t in step.thresholds)  # type: ignore[assignment]
    return states


def largest_of(candidates: Array) -> NDArray[np.intp]:
    """Find the index of the largest candidate, the first one of a tie up to rounding.

    Candidates with the same value, as in overlapping windows, can be rounded differently.

    Args:
        candidates: [..., E].

    Returns:
        Indices, [...].
    """
    largest = candidates.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        tied = candidates >= largest - TIE_TOLERANCE * np.abs(largest)
    indices: NDArray[np.intp] = np.argmax(tied, axis=-1)
    return indices
