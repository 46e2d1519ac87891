"""The plane audit: a model on the plane through three inputs.

Shows classes, boundaries of the activation patterns of one activation function, and Jacobian norms. Boundaries are
zero sets of pre-activations interpolated between points of a grid, not differences of pixels.
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

from onnx_ood._dialect import named
from onnx_ood._progress import Phase
from onnx_ood._types import Progress
from onnx_ood.audits._common.predictions import Answers, describe_answer, read_answers
from onnx_ood.audits._common.settings import takes_settings
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
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.evidence.model_notes import branching_notes, stored_randomness_notes
from onnx_ood.evidence.nudge_units import row_unit_notes
from onnx_ood.evidence.preprocessing_choice import (
    choose_preprocessing,
    find_card,
    find_class_names,
    preprocessing_notes,
)
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.evidence.table_columns import input_column_notes
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, load
from onnx_ood.inputs import FEED_GRAMMAR, Batch, Card, Chosen, Reader, open_inputs
from onnx_ood.perturb import Grid, Plane, plane_through
from onnx_ood.results.provenance import environment, model_facts
from onnx_ood.runtime import JacobianNorms, JacobianProber, decoding_threads, find_fed_input

# The Jacobian norm takes two runs per direction and point, so its grid has fewer points per side, by this factor.
_COARSER = 4
# Points of which Jacobian norms are measured between two calls of progress.
_POINTS_PER_CALL = 512
# Rounding of points that is noted in the report, in steps of the grid.
_MAX_ROUNDING = 0.01


@takes_settings(PlaneSettings)
def plane(
    model: str | Path | Model,
    inputs: Any,
    settings: PlaneSettings | None = None,
    *,
    progress: Progress | None = None,
) -> PlaneResult:
    """Show a model on the plane through three inputs.

    Args:
        model: Path of an ONNX file, or a loaded model.
        inputs: Three inputs, as `onnx_ood.inputs.open_inputs` takes them: paths or globs (`FILE[k]` is row k of a file,
            from 0), an array [3, *input], or images.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        progress: Called with the name of a phase, the number of points run and in all.

    Returns:
        Classes and boundaries on a grid in the plane, and Jacobian norms on a coarser one. Coordinates are in units of
        the model's input.

    Raises:
        UsageError: If there are not three inputs, they lie on a line, or the probe has no boundaries.
        ModelError: If the model cannot be read or run.
        ProviderError: If the provider cannot run here.

    Example:
        onnx_ood.plane("model.onnx", ["a.png", "b.png", "c.png"], probe="op:Relu[-1]", resolution=80)
    """
    settings = settings or PlaneSettings()
    loaded = model if isinstance(model, Model) else load(model)
    card, facts = find_card(loaded), model_facts(loaded)
    read = _read(loaded, inputs, settings, card)
    first, second, third = read.points
    through = plane_through(first, second, third, read.ids)
    grid = through.grid(settings.resolution, settings.extent)
    coarse = through.grid(settings.resolution // _COARSER, settings.extent)
    shown = choose_layer(loaded, settings.probe)
    points = len(grid.x) * len(grid.y)
    total = points + 2 * settings.directions * len(coarse.x) * len(coarse.y)
    done = Phase(progress, "points", total).reach
    watched = InstrumentedModel(loaded, shown, read.feeding, settings)
    clean = watched.values(read.points)
    read_from = watched.answer
    answers = (
        read_answers({read_from.output or "": clean.outputs}, read_from)
        if read_from is not None and clean.outputs is not None
        else None
    )
    units = _sample(clean.layer.shape[1], settings)
    prober, norms, jacobian = None, None, None
    if settings.directions:
        # Before the grid, so that a model without norms is refused at once.
        prober = JacobianProber(
            loaded,
            site=read.feeding.fed.name,
            provider=settings.provider,
            batch_size=settings.batch_size,
            feeds=settings.feeds,
            batch_axis=read.feeding.input.choice,
            answer=settings.answer,
        )
        norms = prober.measure(read.points, settings.directions, settings.seed, _beside(read, read.points))
    classes = answers.classes if answers else 0
    window = look(watched, through, grid, shown.site.thresholds, units, classes, done)
    if prober and norms:
        jacobian = _jacobian(prober, norms, read, through, coarse, settings, lambda runs: done(points + runs))
    labels = find_class_names(settings.labels, card)
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
        site=read.feeding.fed.name,
        feeds=read.feeding.described,
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
        notes=tuple(
            row_unit_notes(
                read.points, read.feeding.input, read.chosen.preprocessing if read.chosen else None
            )
        )
        + preprocessing_notes(read.chosen, card, facts)
        + read.notes
        + _answer_notes(loaded, settings, known=answers is not None)
        + branching_notes(loaded, read.feeding.input)
        + stored_randomness_notes(loaded)
        + _notes(shown, clean, len(units), window, watched.prober.batching_note)
        + _unknown_notes(grid, shown, window, jacobian),
    )


@dataclass(frozen=True)
class _Inputs:
    """The three inputs.

    Attributes:
        ids: Their names.
        points: As the model takes them, [3, *input].
        chosen: How pictures became tensors; None if unknown.
        feeding: Values of the model's other inputs.
        notes: Remarks on how they were read.
    """

    ids: tuple[str, ...]
    points: NDArray[Any]
    chosen: Chosen | None
    feeding: Feeding
    notes: tuple[str, ...]


def _read(model: Model, inputs: Any, settings: PlaneSettings, card: Card | None) -> _Inputs:
    feeding = _feed(model, settings)
    taking = feeding.fed
    found = open_inputs(inputs).require("inputs")
    found.check_missing()
    differing = input_column_notes(feeding.input, found)
    chosen = choose_preprocessing(feeding.input, found, settings.preprocess, card)
    reader = Reader(
        found,
        preprocessing=chosen.preprocessing if chosen else None,
        input_name=taking.name,
        input_shape=taking.shape,
        batch_axis=taking.stored_axis,
        dtype=taking.dtype,
        threads=decoding_threads(),
        limit=settings.limit,
        seed=settings.seed,
    )
    # Counted by headers, so that no large file is read in vain.
    count = reader.count()
    tensors: dict[str, NDArray[Any]] = {}
    with closing(iter(reader)) as batches:
        for batch in batches if count == 3 else ():
            if batch.failed:
                raise UsageError(f"{batch.failed[0].id}: {batch.failed[0].reason}")
            kept = batch.part(0, 3 - len(tensors))
            tensors.update(zip(kept.ids, kept.tensors, strict=True))
            count = len(tensors)
            if count == 3:
                break
    if count != 3:
        raise UsageError(
            f"a plane needs three inputs, but these are {count}; name three files, or rows of a file as in "
            "x.npy[0] x.npy[7] x.npy[9]"
        )
    ids = tuple(tensors)
    if len({tensor.shape for tensor in tensors.values()}) > 1:
        shapes = ", ".join(str(list(tensors[name].shape)) for name in ids)
        raise UsageError(f"the three inputs of a plane need one shape, but have {shapes}")
    points = np.stack([tensors[name] for name in ids])
    for name, point in zip(ids, points, strict=True):
        if not np.isfinite(point).all():
            raise UsageError(f"{name}: holds NaN or infinity; choose another input")
    return _Inputs(
        ids,
        points,
        chosen,
        feeding,
        (*differing, *filter(None, [feeding.input.note]), *feeding.notes, *reader.notes),
    )


def _feed(model: Model, settings: PlaneSettings) -> Feeding:
    """Value of each model input: points of the plane for one, a shared value for each other."""
    site, _ = choose_site(model, settings.site, settings.feeds)
    if not site.is_input:
        raise UsageError(f"a plane lies among values of a model input, but {site.name!r} is inside the model")
    feeding = Feeding(model, find_fed_input(model, site, settings.batch_axis), settings.feeds)
    if feeding.from_files:
        listed = ", ".join(one.name for one in feeding.from_files)
        raise UsageError(
            f"{model.path} also needs {listed}, and points between inputs need one value for all; use "
            f"{named('feeds')} ({feeding.from_files[0].name}=VALUE: {FEED_GRAMMAR})"
        )
    return feeding


def _beside(read: _Inputs, points: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Values of the model's other inputs for M points."""
    return read.feeding.others(Batch((), points, ()))


def _sample(count: int, settings: PlaneSettings) -> NDArray[np.int64]:
    """Traced units, ascending."""
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
        unknown=window.unknown,
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
        unknown=int(np.count_nonzero(window.answers < 0)),
        answers=tuple(map(tuple, window.answers.tolist())),
        lines=window.class_lines,
    )


def _jacobian(
    prober: JacobianProber,
    norms: JacobianNorms,
    read: _Inputs,
    through: Plane,
    grid: Grid,
    settings: PlaneSettings,
    done: Callable[[int], None],
) -> PlaneJacobian:
    """Norms on a grid, all with the median step of the three inputs.

    Choosing a step takes fourteen runs for each of eight directions. On planes through three garments the norms with
    the common step were within 1% of those with their own steps at nine of ten points.
    """
    step = float(np.median(norms.step))
    found, errors, runs = [], [], 0
    for places in parts(grid.coordinates(), through.origin.size, _POINTS_PER_CALL):
        points, _ = fed(through, places, prober.prober.site.dtype or "float32")
        beside = _beside(read, points)
        part = prober.measure(points, settings.directions, settings.seed, beside, step=step)
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
        unknown=int(np.count_nonzero(~np.isfinite(norm))),
        norms=tuple(tuple(map(_number, row)) for row in rows),
        note=norms.note,
    )


def _answer_notes(model: Model, settings: PlaneSettings, *, known: bool) -> tuple[str, ...]:
    """Note why no classes are shown."""
    if known:
        return ()
    reason = (
        describe_answer(model, settings.answer).reason
        or "the answer is not one row of class scores per input"
    )
    return (f"No classes are shown: {reason}.",)


def _notes(shown: Shown, clean: Values, looked_at: int, window: Window, layout_note: str) -> tuple[str, ...]:
    notes = []
    count = clean.layer.shape[1]
    if shown.site.exact == "sign":
        notes.append(
            f"{shown.site.op} is smooth: lines are sign changes of its pre-activation, a proxy for boundaries of "
            "linear regions."
        )
    if shown.site.exact == "pattern":
        notes.append(
            f"{shown.site.op} has pieces that are not all linear; lines are the boundaries between them."
        )
    if looked_at < count:
        notes.append(
            f"Lines are of a random sample of {looked_at:,} of {count:,} units; the setting units changes how many."
        )
    if not window.rounding < _MAX_ROUNDING:
        notes.append(
            f"Points of the plane are rounded to the input's type by up to {window.rounding:.2g} steps of the grid: "
            "lines are at least as uncertain. Choose inputs that are further apart."
        )
    if layout_note:
        notes.append(layout_note)
    return tuple(notes)


def _unknown_notes(
    grid: Grid, shown: Shown, window: Window, jacobian: PlaneJacobian | None
) -> tuple[str, ...]:
    """Count points with values that are not finite, as notes."""
    points = len(grid.x) * len(grid.y)
    notes = []
    if window.answers is not None and (count := int(np.count_nonzero(window.answers < 0))):
        notes.append(f"{count:,} of {points:,} points have NaN or infinity in the output and no class.")
    if window.unknown:
        notes.append(
            f"{window.unknown:,} of {points:,} points have NaN or infinity in {shown.read.name!r}; boundaries around "
            "them are unknown."
        )
    if jacobian and jacobian.unknown:
        all_norms = jacobian.grid.rows * jacobian.grid.columns
        notes.append(f"{jacobian.unknown:,} of {all_norms:,} Jacobian norms are NaN or infinite.")
    return tuple(notes)


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
