"""The plane audit, a 2-D slice: what does a model do on the plane through three inputs?

Its classes, where the units of one layer change their codes, and how steep it is. Boundaries are where pre-activations
are zero between points of a grid, not where pixels differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Progress
from onnx_ood.audits._common.predictions import Answers, read_answers
from onnx_ood.audits._common.preprocessing import choose_preprocessing, preprocessing_notes
from onnx_ood.audits.plane.layer import Shown, choose_layer
from onnx_ood.audits.plane.result import (
    PlaneClass,
    PlaneClasses,
    PlaneGrid,
    PlaneJacobian,
    PlanePoint,
    PlaneProbe,
    PlaneResult,
)
from onnx_ood.audits.plane.settings import PlaneSettings
from onnx_ood.audits.plane.window import InstrumentedModel, Values, Window, fed, look, parts
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, load
from onnx_ood.inputs import Card, Chosen, Reader, discover, read_card
from onnx_ood.perturb import Grid, Plane, plane_through
from onnx_ood.results.environment import environment
from onnx_ood.results.facts import model_facts
from onnx_ood.runtime import JacobianNorms, JacobianProber, decoding_threads, find_input, find_site

# The Jacobian norm takes two runs for each direction where a class takes one in all: its grid has as many times fewer
# points in each direction.
_COARSER = 4
# Points between two signs of progress.
_TOGETHER = 512
# Rounding of points that is worth a word, in steps of the grid.
_ROUNDING = 0.01


def plane(
    model: str | Path | Model,
    inputs: Sequence[str],
    settings: PlaneSettings | None = None,
    *,
    progress: Progress | None = None,
) -> PlaneResult:
    """Looks at a model on the plane through three inputs.

    Args:
        model: A path or a loaded model, with one input of floats.
        inputs: Files, folders or globs that give three inputs; `FILE[k]` is row k of a file.
        settings: What to look at and how; None for the defaults.
        progress: Called with the number of points that were run, and how many there are.

    Returns:
        The result.

    Raises:
        UsageError: If there are more or fewer inputs, they have no plane, or the layer can't be shown.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.
    """
    settings = settings or PlaneSettings()
    loaded = model if isinstance(model, Model) else load(model)
    card, facts = read_card(loaded.path), model_facts(loaded)
    read = _read(loaded, inputs, settings, card)
    first, second, third = read.points
    through = plane_through(first, second, third, read.ids)
    grid = through.grid(settings.resolution, settings.extent)
    coarse = through.grid(settings.resolution // _COARSER, settings.extent)
    shown = choose_layer(loaded, settings.probe)
    points = len(grid.x) * len(grid.y)
    total = points + 2 * settings.directions * len(coarse.x) * len(coarse.y)

    def done(count: int) -> None:
        if progress:
            progress(count, total)

    done(0)
    watched = InstrumentedModel(loaded, shown, settings.provider)
    clean = watched.values(read.points)
    answers = read_answers({"output": clean.outputs}) if clean.outputs is not None else None
    units = _sample(clean.layer.shape[1], settings)
    prober, norms, jacobian = None, None, None
    if settings.directions:
        # Before the grid is run: a model that has no norms is known at once.
        prober = JacobianProber(loaded, provider=settings.provider)
        norms = prober.measure(read.points, settings.directions, settings.seed)
    classes = answers.classes if answers else 0
    window = look(watched, through, grid, shown.site.thresholds, units, classes, done)
    if prober and norms:
        jacobian = _jacobian(prober, norms, through, coarse, settings, lambda runs: done(points + runs))
    labels = card.class_names() if card else None
    a, b, c = (
        PlanePoint(
            id=name,
            x=float(x),
            y=float(y),
            prediction=answers.prediction(i, labels) if answers else None,
            jacobian=_number(norms.norm[i]) if norms else None,
            jacobian_error=_number(norms.standard_error[i]) if norms else None,
        )
        for i, (name, (x, y)) in enumerate(zip(read.ids, through.corners, strict=True))
    )
    return PlaneResult(
        model=facts,
        preprocessing=read.chosen.describe() if read.chosen else None,
        provider=watched.prober.provider,
        provider_note=watched.prober.provider_note,
        seed=settings.seed,
        environment=environment(),
        points=(a, b, c),
        grid=_grid(grid),
        rounding=_number(window.rounding),
        probe=_probe(shown, clean, len(units), window),
        classes=_classes(answers, window, labels),
        jacobian=jacobian,
        notes=preprocessing_notes(read.chosen, card, facts)
        + read.notes
        + _notes(shown, clean, len(units), window, watched.prober.batching_note),
    )


@dataclass(frozen=True)
class _Inputs:
    """The three inputs.

    Attributes:
        ids: Their names.
        points: As the model takes them, [3, *input].
        chosen: How they were made; None where nobody says.
        notes: What a user should know about how they were read.
    """

    ids: tuple[str, ...]
    points: NDArray[Any]
    chosen: Chosen | None
    notes: tuple[str, ...]


def _read(model: Model, arguments: Sequence[str], settings: PlaneSettings, card: Card | None) -> _Inputs:
    taking = find_input(model, find_site(model, None))
    found = discover(arguments)
    if found.missing:
        raise UsageError(f"{found.missing[0].id}: {found.missing[0].reason}")
    chosen = choose_preprocessing(taking, found, settings.preprocess, card)
    reader = Reader(
        found,
        preprocessing=chosen.preprocessing if chosen else None,
        input_name=taking.name,
        input_shape=taking.shape or (),
        dtype=np.dtype(taking.dtype or "float32"),
        threads=decoding_threads(),
    )
    # Known from headers, so that no large file is read in vain.
    count = reader.count()
    tensors: dict[str, NDArray[Any]] = {}
    with closing(iter(reader)) as batches:
        for batch in batches if count == 3 else ():
            if batch.failed:
                raise UsageError(f"{batch.failed[0].id}: {batch.failed[0].reason}")
            tensors.update(zip(batch.ids, batch.tensors, strict=True))
            count = len(tensors)
    if count != 3:
        raise UsageError(
            f"a plane goes through three inputs, but these are {count}; name three files, or rows of a file as in "
            "x.npy[0] x.npy[7] x.npy[9]"
        )
    ids = tuple(tensors)
    if len({tensor.shape for tensor in tensors.values()}) > 1:
        shapes = ", ".join(str(list(tensors[name].shape)) for name in ids)
        raise UsageError(f"the three inputs of a plane need one shape, but have {shapes}")
    points = np.stack([tensors[name] for name in ids])
    for name, point in zip(ids, points, strict=True):
        if not np.isfinite(point).all():
            raise UsageError(
                f"{name}: holds NaN or infinity, so there is no plane through it; choose another"
            )
    return _Inputs(ids, points, chosen, reader.notes)


def _sample(count: int, settings: PlaneSettings) -> NDArray[np.int64]:
    """Which units of a layer are looked at, ascending."""
    if count <= settings.units:
        return np.arange(count)
    return np.sort(np.random.default_rng(settings.seed).permutation(count)[: settings.units])


def _grid(grid: Grid) -> PlaneGrid:
    return PlaneGrid(
        x=float(grid.x[0]), y=float(grid.y[0]), step=grid.step, columns=len(grid.x), rows=len(grid.y)
    )


def _probe(shown: Shown, clean: Values, looked_at: int, window: Window) -> PlaneProbe:
    return PlaneProbe(
        name=shown.site.name,
        op=shown.site.op,
        exact=shown.site.exact,
        read=shown.read.name,
        thresholds=shown.site.thresholds,
        units=clean.layer.shape[1],
        looked_at=looked_at,
        switching=len({line.index for line in window.lines}),
        lines=window.lines,
    )


def _classes(answers: Answers | None, window: Window, labels: Sequence[str] | None) -> PlaneClasses | None:
    if answers is None or window.answers is None:
        return None
    names = labels if labels is not None and len(labels) == answers.classes else None
    index, count = np.unique(window.answers[window.answers >= 0], return_counts=True)
    return PlaneClasses(
        found=tuple(
            PlaneClass(
                index=int(index[i]),
                label=names[index[i]] if names else None,
                share=float(count[i] / window.answers.size),
            )
            for i in np.argsort(-count, kind="stable")
        ),
        answers=tuple(map(tuple, window.answers.tolist())),
        lines=window.class_lines,
    )


def _jacobian(
    prober: JacobianProber,
    norms: JacobianNorms,
    through: Plane,
    grid: Grid,
    settings: PlaneSettings,
    done: Callable[[int], None],
) -> PlaneJacobian:
    """Norms on a grid, all with the median step of the three inputs.

    Choosing a step takes fourteen runs for each of eight directions. On planes through three garments the norms with
    the common step were within 1% of those with steps of their own at nine of ten points.
    """
    step = float(np.median(norms.step))
    found, errors, runs = [], [], 0
    for places in parts(grid.coordinates(), through.origin.size, _TOGETHER):
        points, _ = fed(through, places, prober.prober.site.dtype or "float32")
        part = prober.measure(points, settings.directions, settings.seed, step=step)
        found.append(part.norm)
        errors.append(part.standard_error)
        runs += 2 * settings.directions * len(points)
        done(runs)
    norm, error = np.concatenate(found), np.concatenate(errors)
    known = np.isfinite(norm) & (norm > 0)
    rows = norm.reshape(len(grid.y), len(grid.x)).tolist()
    return PlaneJacobian(
        probe=norms.function,
        directions=norms.directions,
        step=step,
        error=float(np.median(error[known] / norm[known])) if known.any() else None,
        grid=_grid(grid),
        norms=tuple(tuple(map(_number, row)) for row in rows),
        note=norms.note,
    )


def _notes(shown: Shown, clean: Values, looked_at: int, window: Window, layout_note: str) -> tuple[str, ...]:
    notes = []
    count = clean.layer.shape[1]
    if shown.site.exact == "sign":
        notes.append(
            f"{shown.site.op} is smooth: the lines, where its pre-activation changes its sign, are no boundaries of "
            "linear regions but a proxy."
        )
    if shown.site.exact == "pattern":
        notes.append(f"{shown.site.op} has pieces that are not all linear; the lines are where they meet.")
    if looked_at < count:
        notes.append(
            f"The lines are of {looked_at:,} of {count:,} units, drawn at random; --units changes how many."
        )
    if not window.rounding < _ROUNDING:
        notes.append(
            f"Points of the plane are rounded to the input's type by up to {window.rounding:.2g} steps of the grid: "
            "lines are uncertain by as much or more. Choose inputs that are further apart."
        )
    if layout_note:
        notes.append(layout_note)
    return tuple(notes)


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
