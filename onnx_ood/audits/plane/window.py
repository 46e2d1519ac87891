"""A model on a grid in a plane: predictions, and boundaries between activation patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.plane.layer import Shown
from onnx_ood.audits.plane.result import PlaneLine
from onnx_ood.audits.plane.settings import PlaneSettings
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Answer, Model, find_answer, why_not_measurable
from onnx_ood.inputs import Batch
from onnx_ood.metrics.contours import ZeroLines, joined, polylines, simplified, zero_lines
from onnx_ood.perturb import Grid, Plane
from onnx_ood.runtime import PerturbationGroup, Prober

# Memory for points fed at once, in float64, and for values of some rows of the grid until their lines are traced.
_POINTS_BYTES = 64 << 20
_VALUES_BYTES = 64 << 20
# Largest error of simplified lines, in steps of the grid.
_TOLERANCE = 0.1
# Decimal places of coordinates, in steps of the grid.
_PLACES = 3


@dataclass(frozen=True)
class Values:
    """Values of a model at M points.

    Attributes:
        layer: Pre-activations of the traced units, [M, U].
        outputs: Class scores, [M, ...], or None if they cannot be measured.
    """

    layer: NDArray[Any]
    outputs: NDArray[Any] | None


class InstrumentedModel:
    """A model with its probe and its class scores watched.

    Attributes:
        prober: Runs the model.
        answer: Tensor that predictions are read from, or None.
    """

    def __init__(self, model: Model, shown: Shown, feeding: Feeding, settings: PlaneSettings) -> None:
        """Instrument the model and create its session.

        Args:
            model: The model.
            shown: The probe.
            feeding: Values of the model's other inputs.
            settings: Provider and batch size.

        Raises:
            UsageError: If the provider is wrong.
            SelectorError: If the probe holds no floats.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider cannot run here.
        """
        self.answer = _read_from(model, find_answer(model, settings.answer))
        self._layer, self._output = shown.read.name, self.answer.output if self.answer else None
        answers = [
            tensor
            for tensor in model.tensors
            if tensor.name == self._output and _is_measurable(model, tensor.name)
        ]
        self._feeding = feeding
        self.prober = Prober(
            model,
            [shown.read, *answers],
            site=feeding.fed.name,
            provider=settings.provider,
            batch_size=settings.batch_size,
            in_order=True,
            feeds=settings.feeds,
            batch_axis=feeding.input.choice,
        )

    def values(self, points: NDArray[Any], units: NDArray[np.int64] | None = None) -> Values:
        """Run points.

        Args:
            points: Values of the site in its type, [M, *site].
            units: Indices of the units to return, [U]; None for all.

        Returns:
            Pre-activations and outputs.

        Raises:
            ModelError: If a run fails, or the probe cannot be measured.
        """
        # Called from several threads: each point is written by one of them.
        layer: list[NDArray[Any] | None] = [None] * len(points)
        outputs: list[NDArray[Any] | None] = [None] * len(points)
        nothing = np.zeros((1, *points.shape[1:]), np.float32)

        def keep(group: PerturbationGroup) -> None:
            (shares,) = group.values
            for i, share in zip(group.inputs, shares, strict=True):
                # Copies, so that the arrays of a run can be freed.
                if group.probe == self._layer:
                    layer[i] = share.ravel()[slice(None) if units is None else units].copy()
                if group.probe == self._output:
                    outputs[i] = share.copy()

        others = self._feeding.others(Batch((), points, ()))
        self.prober.run_groups(points, 1, lambda _inputs, _number: [nothing], keep, others)
        rows = [row for row in layer if row is not None]
        answers = [row for row in outputs if row is not None]
        if not rows:
            raise ModelError(
                f"{self.prober.model.path}: {self._layer!r} {self.prober.skipped[self._layer]}; choose another probe"
            )
        return Values(np.stack(rows), np.stack(answers) if answers else None)


def _read_from(model: Model, answer: Answer | None) -> Answer | None:
    """Return where class scores are read: the output, or else the tensor behind labels or maps."""
    if answer is None or answer.scores is None or _is_measurable(model, answer.output):
        return None if answer is None or answer.output is None else replace(answer, label=None)
    kind = answer.kind if answer.scores.probabilities else "logits"
    return Answer(answer.scores.name, None, kind, answer.scores)


def _is_measurable(model: Model, name: str | None) -> bool:
    tensor = model.by_name.get(name or "")
    return tensor is not None and why_not_measurable(model, tensor) is None


@dataclass(frozen=True)
class Window:
    """Lines and predictions on a grid of R rows and C columns.

    Attributes:
        lines: Boundaries of the traced units.
        answers: The class at each point, int64 [R, C], −1 if an output is not finite; None without classes.
        class_lines: Boundaries between classes.
        unknown: Points with NaN or infinity in a traced unit.
        rounding: Largest distance of a fed point from its place in the plane, in steps of the grid.
    """

    lines: tuple[PlaneLine, ...]
    answers: NDArray[np.int64] | None
    class_lines: tuple[PlaneLine, ...]
    unknown: int
    rounding: float


def look(
    watched: InstrumentedModel,
    through: Plane,
    grid: Grid,
    thresholds: tuple[float, ...],
    units: NDArray[np.int64],
    classes: int,
    done: Callable[[int], None],
) -> Window:
    """Run the points of a grid and trace its lines, some rows at a time.

    Args:
        watched: The model.
        through: The plane.
        grid: The points.
        thresholds: Thresholds of the pre-activations.
        units: Traced units, ascending, [U].
        classes: Number of class scores; 0 without a row of them.
        done: Called with the number of points run.

    Returns:
        Lines and predictions.

    Raises:
        ModelError: If a run fails.
    """
    columns = len(grid.x)
    # As float64, and outputs once more as margins.
    at_once = max(1, _VALUES_BYTES // (8 * columns * (len(units) + 2 * classes)))
    boundaries = [_Tracer() for _ in thresholds]
    changes = _Tracer()
    answers, unknown, rounding = [], 0, 0.0
    for first in range(0, len(grid.y), at_once):
        rows = Grid(grid.x, grid.y[first : first + at_once])
        found = []
        for places in parts(rows.coordinates(), through.origin.size):
            points, off = fed(through, places, watched.prober.site.dtype or "float32")
            found.append(watched.values(points, units))
            rounding = max(rounding, off / grid.step)
        layer = np.concatenate([values.layer for values in found]).reshape(-1, columns, len(units))
        unknown += int(np.count_nonzero(~np.isfinite(layer).all(axis=-1)))
        for tracer, threshold in zip(boundaries, thresholds, strict=True):
            tracer.add(layer - threshold if threshold else layer)
        if classes:
            scores = np.concatenate([values.outputs for values in found if values.outputs is not None])
            scores = scores.reshape(-1, columns, classes).astype(np.float64)
            answers.append(np.where(np.isfinite(scores).all(axis=-1), scores.argmax(axis=-1), -1))
            changes.add(margins(scores))
        done((first + len(rows.y)) * columns)
    return Window(
        tuple(line for tracer in boundaries for line in _drawn(tracer.lines(), grid, units)),
        np.concatenate(answers) if classes else None,
        _drawn(changes.lines(), grid, np.arange(classes)) if classes else (),
        unknown,
        rounding,
    )


def parts(
    coordinates: NDArray[np.float64], size: int, most: int | None = None
) -> Iterator[NDArray[np.float64]]:
    """Cut points into parts that fit into memory.

    Args:
        coordinates: [M, 2].
        size: Elements of a point of input space.
        most: Most points in a part; None for what memory allows.
    """
    fits = max(1, _POINTS_BYTES // (8 * size))
    step = fits if most is None else min(fits, most)
    for first in range(0, len(coordinates), step):
        yield coordinates[first : first + step]


def fed(through: Plane, coordinates: NDArray[np.float64], dtype: str) -> tuple[NDArray[Any], float]:
    """Points of a plane in the type of the model's input.

    Args:
        through: The plane.
        coordinates: [M, 2].
        dtype: The input's type.

    Returns:
        The points, [M, *input], and the largest distance of one from its place in the plane.
    """
    places = through.at(coordinates)
    with np.errstate(over="ignore"):
        points = places.astype(dtype)
    off = (points.astype(np.float64) - places).reshape(len(places), prod(places.shape[1:]))
    return points, float(np.linalg.norm(off, axis=1).max())


def margins(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference of each class's output and the largest other one.

    Args:
        scores: [..., K], K ≥ 2.

    Returns:
        [..., K]: positive for at most one class; zero if two share the first place.
    """
    second, best = np.moveaxis(np.partition(scores, -2, axis=-1)[..., -2:], -1, 0)
    first = np.arange(scores.shape[-1]) == scores.argmax(axis=-1)[..., np.newaxis]
    with np.errstate(invalid="ignore"):
        margin: NDArray[np.float64] = scores - np.where(first, second[..., np.newaxis], best[..., np.newaxis])
    return margin


class _Tracer:
    """Traces zero lines in a grid whose rows come in parts."""

    def __init__(self) -> None:
        self._rows = 0
        self._last: NDArray[Any] | None = None
        self._found: list[ZeroLines] = []

    def add(self, values: NDArray[Any]) -> None:
        """Add the next rows, [R, C, U]."""
        before = [] if self._last is None else [self._last]
        self._found.append(zero_lines(np.concatenate([*before, values]), self._rows - len(before)))
        self._rows += len(values)
        self._last = values[-1:].copy()

    def lines(self) -> ZeroLines:
        """All lines."""
        return joined(self._found)


def _drawn(lines: ZeroLines, grid: Grid, names: NDArray[np.int64]) -> tuple[PlaneLine, ...]:
    """Simplified lines in coordinates of the plane."""
    found = []
    for line in polylines(lines):
        row, column = simplified(line.points, _TOLERANCE).round(_PLACES).T
        found.append(
            PlaneLine(
                index=int(names[line.unit]),
                x=tuple((grid.x[0] + grid.step * column).tolist()),
                y=tuple((grid.y[0] + grid.step * row).tolist()),
            )
        )
    return tuple(found)
