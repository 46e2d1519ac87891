"""Exact boundaries of linear regions near the inputs of an audit, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.sensitivity.result import RegionsResult
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, Tensor
from onnx_ood.piecewise import boundaries, nearest_boundary, read_program

# Largest input whose nearest boundary is searched for: each element takes a pass through the network.
_MAX_ELEMENTS = 4096
# Inputs and segments between them that are searched.
_SEARCHED = 3


@dataclass(frozen=True)
class ExactRegions:
    """Boundaries found around and between inputs.

    Attributes:
        nearest: Distance from each of the first inputs to its nearest boundary; None without a boundary.
        between: Boundaries on the segments between consecutive inputs.
    """

    nearest: tuple[float | None, ...] = ()
    between: tuple[RegionsResult, ...] = ()


def find_regions(model: Model, fed: Tensor, points: NDArray[Any], ids: Sequence[str]) -> ExactRegions:
    """Search for boundaries around the first inputs and between them.

    Args:
        model: The model.
        fed: Its input.
        points: Values of the input, [N, *input].
        ids: Names of the N inputs.

    Returns:
        The boundaries; without distances for inputs of more than 4096 elements, which would take too long.

    Raises:
        UsageError: If the model has several inputs.
        ModelError: If a node is not piecewise linear.
    """
    if len(model.inputs) > 1:
        raise UsageError(f"{model.path} has several inputs; exact boundaries need a model with one input")
    program = read_program(model, fed.name, (1, *points.shape[1:]))
    nearest = []
    if prod(points.shape[1:]) <= _MAX_ELEMENTS:
        nearest = [nearest_boundary(program, point).distance for point in points[:_SEARCHED]]
    between = []
    for i in range(min(_SEARCHED, len(points) - 1)):
        found = boundaries(program, points[i], points[i + 1])
        between.append(
            RegionsResult(
                inputs=(ids[i], ids[i + 1]),
                length=float(np.linalg.norm(points[i + 1].astype(np.float64) - points[i])),
                boundaries=len(found.at),
                regions=found.regions,
            )
        )
    return ExactRegions(
        tuple(distance if isfinite(distance) else None for distance in nearest), tuple(between)
    )
