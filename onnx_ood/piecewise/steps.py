"""What a piecewise-linear network does with points, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Array
from onnx_ood.piecewise.affine import Function


@dataclass(frozen=True)
class Affine:
    """A step without a kink.

    Attributes:
        inputs: Tensors that it reads.
        output: The tensor that it gives.
        apply: Values of the inputs, [M, *sample] each → of the output.
    """

    inputs: tuple[str, ...]
    output: str
    apply: Function


@dataclass(frozen=True)
class Bends:
    """Units that bend where their pre-activation crosses a threshold: ReLU and its like.

    Attributes:
        inputs: The pre-activation.
        output: The activation.
        apply: The activation function.
        thresholds: Where it bends, ascending.
    """

    inputs: tuple[str, ...]
    output: str
    apply: Function
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Largest:
    """Units that take the largest, or smallest, of several values.

    Attributes:
        inputs: Tensors that it reads.
        output: The tensor that it gives.
        candidates: Values of the inputs → what each of W units chooses from, [M, W, E]; −∞ for what isn't there. For
            the smallest, all signs are turned.
        finish: The largest of each, [M, W] → values of the output.
    """

    inputs: tuple[str, ...]
    output: str
    candidates: Function
    finish: Callable[[Array], Array]


Step = Affine | Bends | Largest

# Values that differ by less than this share of them may be one value, rounded in two ways.
SAME = 1e-12


@dataclass(frozen=True)
class Program:
    """The part of a network that its units depend on.

    Attributes:
        input: Name of the input.
        sample: Shape of one input, its batch axis of 1 included.
        steps: What happens, in order. Each tensor is given by one step.
    """

    input: str
    sample: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the tensors that units give, in order."""
        return tuple(step.output for step in self.steps if not isinstance(step, Affine))

    def last_use(self) -> dict[str, int]:
        """For each tensor the last step that reads it."""
        return {name: i for i, step in enumerate(self.steps) for name in step.inputs}


def value_of(step: Step, points: Sequence[Array]) -> Array:
    """What a step gives.

    Args:
        step: The step.
        points: Values of its inputs, [M, *sample] each.

    Returns:
        Values of its output, [M, *sample].
    """
    if isinstance(step, Largest):
        return step.finish(step.candidates(*points).max(axis=-1))
    return step.apply(*points)


def codes_between(step: Bends, left: Array, right: Array) -> NDArray[np.uint8]:
    """Codes of units along an interval within which none of them crosses a threshold.

    Args:
        step: The units.
        left: Their pre-activations at the interval's beginning, any shape.
        right: And at its end.

    Returns:
        How many thresholds each is above.
    """
    middle = (left + right) / 2
    codes: NDArray[np.uint8] = sum((middle > t).astype(np.uint8) for t in step.thresholds)  # type: ignore[assignment]
    return codes


def choices(seen: Array) -> NDArray[np.intp]:
    """Which candidate is the largest.

    Candidates that are the same value, as in windows that overlap, differ by how they were rounded; so the first that
    is as good as the largest is taken.

    Args:
        seen: Candidates, [..., E].

    Returns:
        Their places, [...].
    """
    largest = seen.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        places: NDArray[np.intp] = np.argmax(seen >= largest - SAME * np.abs(largest), axis=-1)
    return places
