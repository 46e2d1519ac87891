"""The sensitivity audit: how stable is a model's function, and where do its linear regions change?

R. Novak et al., "Sensitivity and Generalization in Neural Networks", ICLR 2018: the norm of the input-output Jacobian,
and how many units change their codes along trajectories through input space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.environment import environment
from onnx_ood.audits.facts import model_facts
from onnx_ood.audits.predictions import Answers, read_answers
from onnx_ood.audits.preprocessing import choose_preprocessing
from onnx_ood.audits.score_result import Failure, Prediction
from onnx_ood.audits.sensitivity_result import (
    Estimate,
    JacobianResult,
    KindResult,
    ModelSensitivity,
    RegionsResult,
    SensitivityInput,
    SensitivityResult,
    SiteResult,
    TrajectoryResult,
)
from onnx_ood.audits.sensitivity_settings import SensitivitySettings
from onnx_ood.audits.trajectory_choice import Chosen, choose_trajectories
from onnx_ood.exceptions import ModelError, NotEvaluatedError, UsageError
from onnx_ood.graph import CodeSite, Model, Tensor, find_units, load
from onnx_ood.inputs import Batch, Preprocessing, Reader, discover, read_card
from onnx_ood.measurement import (
    CodeReader,
    JacobianNorms,
    JacobianProber,
    Transitions,
    count_transitions,
    decoding_threads,
    find_input,
    find_site,
)
from onnx_ood.metrics.intervals import mean_interval
from onnx_ood.piecewise import Program, boundaries, nearest_boundary, read_program

Progress = Callable[[int, int | None], None]

# Inputs read at once.
_READ_BATCH = 32
# Inputs of which trajectories are made; later ones have a Jacobian norm alone.
_KEPT = 64
# Parts of a trajectory's profile.
_PARTS = 40
# Elements of an input for which its nearest boundary is looked for: each takes a pass through the network.
_MOST_ELEMENTS = 4096
# Straight ways on which all boundaries are looked for.
_WAYS = 3
# What a colour picture's channels are, where nobody says which axis they are on.
_CHANNELS = (1, 3)

_MEANING = (
    "In the published study smaller norms and densities went with better generalisation, among models of one kind that "
    "were trained for one task. Models of different kinds or preprocessing need not compare, and a constant function "
    "has both at 0."
)


def sensitivity(
    models: Sequence[str | Path | Model],
    inputs: Sequence[str],
    settings: SensitivitySettings | None = None,
    *,
    progress: Progress | None = None,
) -> SensitivityResult:
    """Measures how stable models are around inputs and on the ways between them.

    Args:
        models: Paths or loaded models; each reads the inputs with its own preprocessing.
        inputs: Files, folders or globs.
        settings: What to measure and how; None for the defaults.
        progress: Called with the number of inputs done and in all (None while unknown).

    Returns:
        The result; its status is "not evaluated" if fewer than half of the inputs of a model could be measured.

    Raises:
        UsageError: If there is no model, or a setting doesn't fit one.
        ModelError: If a model can't be read or run.
        NotEvaluatedError: If no input of a model could be measured.
        ProviderError: If the provider can't run here.
    """
    settings = settings or SensitivitySettings()
    if not models:
        raise UsageError("no model is given")
    audits = [
        _measure(one if isinstance(one, Model) else load(one), inputs, settings, progress) for one in models
    ]
    norms = _ranks([audit.jacobian.norm.mean for audit in audits])
    densities = _ranks([audit.density for audit in audits])
    ranked = [
        audit.model_copy(update={"jacobian_rank": norm or 1, "density_rank": density})
        for audit, norm, density in zip(audits, norms, densities, strict=True)
    ]
    enough = all(2 * len(audit.inputs) >= len(audit.inputs) + len(audit.failed) for audit in audits)
    return SensitivityResult(
        status="measured" if enough else "not evaluated",
        directions=settings.directions,
        tolerance=settings.tolerance,
        seed=settings.seed,
        environment=environment(),
        models=tuple(sorted(ranked, key=lambda audit: audit.jacobian_rank)),
        notes=(_MEANING,) if len(models) > 1 else (),
    )


@dataclass
class _Inputs:
    """What is known of the inputs of one model.

    Attributes:
        ids: Names of those that were measured.
        norms: What was measured of each batch.
        predictions: The model's own answers.
        classes: The class of each, None where the model gives none.
        kept: The first of them, as the model takes them.
        failed: The others.
    """

    ids: list[str] = field(default_factory=list)
    norms: list[JacobianNorms] = field(default_factory=list)
    predictions: list[Prediction | None] = field(default_factory=list)
    classes: list[int | None] = field(default_factory=list)
    kept: list[NDArray[Any]] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def all(self, field: str) -> NDArray[np.float64]:
        """One field of the norms of all inputs, [N]."""
        return np.concatenate([getattr(norms, field) for norms in self.norms])


def _measure(
    model: Model, paths: Sequence[str], settings: SensitivitySettings, progress: Progress | None
) -> ModelSensitivity:
    site = find_site(model, None)
    fed = find_input(model, site)
    found = discover(paths)
    card = read_card(model.path)
    chosen = choose_preprocessing(fed, found, settings.preprocessing, card)
    units = find_units(model)
    linear = [one for one in units.sites if one.exact == "linear" and not one.argmax and one.above == (0.0,)]
    prober = JacobianProber(
        model, codes=_tensors(model, linear), provider=settings.provider, batch_size=settings.batch_size
    )
    reader = Reader(
        found.paths,
        preprocessing=chosen.preprocessing if chosen else None,
        input_name=fed.name,
        input_shape=fed.shape or (),
        dtype=np.dtype(fed.dtype or "float32"),
        batch=_READ_BATCH,
        threads=decoding_threads(),
    )
    inputs = _Inputs(failed=[Failure(id=missing.id, reason=missing.reason) for missing in found.missing])
    labels = card.class_names() if card else None
    total = reader.count() if progress else None
    with closing(iter(reader)) as batches:
        for batch in batches:
            inputs.failed += [Failure(id=failed.id, reason=failed.reason) for failed in batch.failed]
            if len(batch):
                _take(prober, batch, settings, inputs, labels)
            if progress:
                progress(len(inputs.ids) + len(inputs.failed), total)
    if not inputs.ids:
        reason = inputs.failed[0].reason if inputs.failed else "there is none"
        raise NotEvaluatedError(f"{model.path}: no input could be measured: {reason}")
    points = np.stack(inputs.kept)
    preprocessing = chosen.preprocessing if chosen else None
    ways, counted, read = _trajectories(model, units.sites, points, inputs, preprocessing, settings)
    program = _program(model, fed, points) if settings.exact else None
    nearest = _nearest(program, points)
    # Codes that tell the whole region: all units bend at zero alone.
    exact = not units.unread and len(linear) == len(units.sites)
    first = inputs.norms[0]
    kinds = _kinds(ways, counted)
    return ModelSensitivity(
        model=model_facts(model),
        jacobian_rank=1,
        density=_density(kinds),
        density_rank=None,
        preprocessing=f"{chosen.preprocessing.describe()} ({chosen.source})" if chosen else None,
        provider=prober.prober.provider,
        provider_note=prober.prober.provider_note,
        jacobian=JacobianResult(
            of=first.of,
            directions=first.directions,
            norm=_estimate(inputs.all("norm")),
            within_region=float(inputs.all("exact_share").mean()) if exact and linear else None,
            disagreement=_number(float(np.nanmedian(inputs.all("disagreement")))),
            note=first.note,
        ),
        kinds=kinds,
        trajectories=tuple(
            _trajectory(way, transitions, inputs.ids) for way, transitions in zip(ways, counted, strict=True)
        ),
        sites=_sites(units.sites, ways, counted, read.units),
        unread=dict(units.unread),
        regions=_regions(program, points, inputs.ids),
        inputs=tuple(
            SensitivityInput(
                id=name,
                jacobian=_number(norm),
                jacobian_error=_number(error),
                step=_number(step),
                nearest_boundary=nearest[i] if i < len(nearest) else None,
                prediction=prediction,
            )
            for i, (name, norm, error, step, prediction) in enumerate(
                zip(
                    inputs.ids,
                    inputs.all("norm").tolist(),
                    inputs.all("standard_error").tolist(),
                    inputs.all("step").tolist(),
                    inputs.predictions,
                    strict=True,
                )
            )
        ),
        failed=tuple(inputs.failed),
        notes=tuple(reader.notes) + _notes(units.sites, inputs, ways, counted, read.note),
    )


def _take(
    prober: JacobianProber,
    batch: Batch,
    settings: SensitivitySettings,
    inputs: _Inputs,
    labels: Sequence[str] | None,
) -> None:
    """Measures one batch; of one that the model doesn't run, each input alone."""
    try:
        norms = prober.measure(batch.tensors, settings.directions, settings.seed)
        zero = np.zeros((1, *prober.prober.site_shape(batch.tensors)), np.float32)
        answers = read_answers(prober.prober.measure(batch.tensors, zero).outputs)
    except ModelError as error:
        if len(batch) > 1:
            for i in range(len(batch)):
                _take(prober, batch.part(i, i + 1), settings, inputs, labels)
            return
        if not inputs.ids:
            raise
        inputs.failed.append(Failure(id=batch.ids[0], reason=str(error)))
        return
    finite = np.isfinite(norms.norm)
    for i in np.flatnonzero(~finite).tolist():
        inputs.failed.append(Failure(id=batch.ids[i], reason="the model gives NaN or infinity for it"))
    inputs.norms.append(_some(norms, finite))
    for i in np.flatnonzero(finite).tolist():
        inputs.ids.append(batch.ids[i])
        inputs.predictions.append(answers.prediction(i, labels) if answers else None)
        inputs.classes.append(_class_of(answers, i))
        if len(inputs.kept) < _KEPT:
            inputs.kept.append(batch.tensors[i])


def _some(norms: JacobianNorms, rows: NDArray[np.bool_]) -> JacobianNorms:
    share = norms.exact_share
    return JacobianNorms(
        norms.norm[rows],
        norms.standard_error[rows],
        norms.step[rows],
        norms.disagreement[rows],
        norms.directions,
        norms.of,
        np.full(rows.sum(), np.nan) if share is None else share[rows],
        norms.note,
    )


def _class_of(answers: Answers | None, i: int) -> int | None:
    return None if answers is None else int(answers.position[i])


@dataclass(frozen=True)
class _ReadUnits:
    """What reading codes told about the model.

    Attributes:
        units: Number of units of each site; empty where nothing was read.
        note: Why points were run one at a time, or empty.
    """

    units: tuple[int, ...] = ()
    note: str = ""


def _trajectories(
    model: Model,
    sites: Sequence[CodeSite],
    points: NDArray[Any],
    inputs: _Inputs,
    preprocessing: Preprocessing | None,
    settings: SensitivitySettings,
) -> tuple[list[Chosen], list[Transitions], _ReadUnits]:
    """Counts transitions along trajectories of each kind that the inputs allow."""
    if not sites or not settings.trajectories:
        return [], [], _ReadUnits()
    known = [one for one in inputs.classes[: len(points)] if one is not None]
    classes = known if len(known) == len(points) else None
    width = _width(points.shape[1:], preprocessing)
    ways = choose_trajectories(points, classes, width, settings.trajectories, settings.seed)
    if not ways:
        return [], [], _ReadUnits()
    reader = CodeReader(model, sites, provider=settings.provider, batch_size=settings.batch_size)
    counted = count_transitions(reader, [way.trajectory for way in ways], tolerance=settings.tolerance)
    return ways, counted, _ReadUnits(reader.units(), reader.layout_note)


def _width(shape: tuple[int, ...], preprocessing: Preprocessing | None) -> int | None:
    """The axis along which a picture is as wide as it is; None if inputs are no pictures."""
    if len(shape) != 3:
        return None
    if preprocessing is not None:
        return 2 if preprocessing.layout == "NCHW" else 1
    if shape[0] in _CHANNELS:
        return 2
    return 1 if shape[2] in _CHANNELS else None


def _tensors(model: Model, sites: Iterable[CodeSite]) -> list[Tensor]:
    known = {tensor.name: tensor for tensor in model.everything}
    return list({site.read: known[site.read] for site in sites}.values())


def _kinds(ways: Sequence[Chosen], counted: Sequence[Transitions]) -> tuple[KindResult, ...]:
    results = []
    for kind in dict.fromkeys(way.kind for way in ways):
        mine = [found for way, found in zip(ways, counted, strict=True) if way.kind == kind]
        results.append(
            KindResult(
                kind=kind,
                transitions=_estimate(np.array([found.total for found in mine], np.float64)),
                density=_estimate(np.array([found.total / found.length for found in mine])),
                converged=sum(found.converged for found in mine),
            )
        )
    return tuple(results)


def _trajectory(way: Chosen, found: Transitions, ids: Sequence[str]) -> TrajectoryResult:
    bounds = np.linspace(0, 1, _PARTS + 1)
    so_far = np.interp(bounds, found.at, np.concatenate([[0], np.cumsum(found.between)]))
    return TrajectoryResult(
        kind=way.kind,
        inputs=tuple(ids[i] for i in way.inputs),
        length=found.length,
        transitions=found.total,
        remainder=_number(found.remainder),
        converged=found.converged,
        points=found.points,
        profile=tuple((np.diff(so_far) * _PARTS / found.length).tolist()),
    )


def _sites(
    sites: Sequence[CodeSite], ways: Sequence[Chosen], counted: Sequence[Transitions], units: Sequence[int]
) -> tuple[SiteResult, ...]:
    if not counted:
        return ()
    density = np.array([found.counts / found.length for found in counted])
    kinds = np.array([way.kind for way in ways])
    return tuple(
        SiteResult(
            name=site.name,
            op=site.op,
            exact=site.exact,
            units=units[i],
            density={kind: float(density[kinds == kind, i].mean()) for kind in dict.fromkeys(kinds.tolist())},
        )
        for i, site in enumerate(sites)
    )


def _program(model: Model, fed: Tensor, points: NDArray[Any]) -> Program:
    if len(model.inputs) > 1:
        raise UsageError(f"{model.path} has several inputs: exact boundaries need a model of one")
    return read_program(model, fed.name, (1, *points.shape[1:]))


def _nearest(program: Program | None, points: NDArray[Any]) -> list[float | None]:
    if program is None or prod(points.shape[1:]) > _MOST_ELEMENTS:
        return []
    return [_number(nearest_boundary(program, point).distance) for point in points[:_WAYS]]


def _regions(program: Program | None, points: NDArray[Any], ids: Sequence[str]) -> tuple[RegionsResult, ...]:
    if program is None:
        return ()
    results = []
    for i in range(min(_WAYS, len(points) - 1)):
        found = boundaries(program, points[i], points[i + 1])
        results.append(
            RegionsResult(
                inputs=(ids[i], ids[i + 1]),
                length=float(np.linalg.norm(points[i + 1].astype(np.float64) - points[i])),
                boundaries=len(found.at),
                regions=found.regions,
            )
        )
    return tuple(results)


def _estimate(values: NDArray[np.float64]) -> Estimate:
    found = mean_interval(values)
    return Estimate(
        count=len(values), mean=_number(found.mean), low=_number(found.low), high=_number(found.high)
    )


def _density(kinds: Sequence[KindResult]) -> float | None:
    means = [kind.density.mean for kind in kinds if kind.density.mean is not None]
    return float(np.mean(means)) if means else None


def _ranks(values: Sequence[float | None]) -> list[int | None]:
    """1 for the smallest."""
    order = sorted((value, i) for i, value in enumerate(values) if value is not None)
    ranks: list[int | None] = [None] * len(values)
    for rank, (_, i) in enumerate(order, start=1):
        ranks[i] = rank
    return ranks


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _notes(
    sites: Sequence[CodeSite],
    inputs: _Inputs,
    ways: Sequence[Chosen],
    counted: Sequence[Transitions],
    layout_note: str,
) -> tuple[str, ...]:
    notes = []
    proxies = sum(site.exact == "sign" for site in sites)
    if proxies:
        notes.append(
            f"{proxies} of {len(sites)} activation functions are smooth: the sign of their pre-activations stands for "
            "a code, and transitions are a proxy."
        )
    pieces = sum(site.exact == "pieces" for site in sites)
    if pieces:
        notes.append(f"{pieces} of {len(sites)} activation functions have pieces that are not all linear.")
    if len(inputs.ids) > len(inputs.kept):
        notes.append(
            f"Trajectories and exact boundaries are of the first {len(inputs.kept)} inputs; all have a Jacobian norm."
        )
    slow = sum(not found.converged for found in counted)
    if slow:
        notes.append(
            f"{slow} of {len(ways)} trajectories have not converged: their transitions are a lower bound, and more may "
            "be left than the tolerance allows."
        )
    if layout_note:
        notes.append(layout_note)
    return tuple(notes)
