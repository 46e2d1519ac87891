"""From what was measured of one model to its part of the sensitivity result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.sensitivity.exact_regions import ExactRegions
from onnx_ood.audits.sensitivity.input_classes import InputClasses
from onnx_ood.audits.sensitivity.measured_inputs import MeasuredInputs
from onnx_ood.audits.sensitivity.result import (
    JacobianResult,
    MeanEstimate,
    ModelSensitivity,
    SensitivityInput,
    SiteResult,
    TrajectoryResult,
    TrajectoryTypeResult,
)
from onnx_ood.audits.sensitivity.trajectory_choice import Chosen
from onnx_ood.audits.sensitivity.trajectory_counts import Counted
from onnx_ood.graph import PatternSite, Units
from onnx_ood.metrics.estimates import mean_interval
from onnx_ood.results.provenance import ModelFacts
from onnx_ood.runtime import Prober, Transitions

# Parts of a trajectory's profile.
_PARTS = 40


@dataclass(frozen=True)
class Measured:
    """Measurements of one model.

    Attributes:
        facts: Facts of the model file.
        prober: What ran it.
        units: Its units.
        whole_regions: True if codes that Jacobian norms were measured with tell the whole linear region.
        preprocessing: How pictures became tensors, in words.
        inputs: Inputs and their norms, at least one.
        classes: Classes of the inputs that trajectories may go through.
        counted: Transitions along trajectories.
        feeds: Where the value of each other model input came from.
        regions: Exact boundaries.
        notes: What a user should know about how the inputs were read.
    """

    facts: ModelFacts
    prober: Prober
    units: Units
    whole_regions: bool
    preprocessing: str | None
    inputs: MeasuredInputs
    classes: InputClasses
    counted: Counted
    feeds: dict[str, str]
    regions: ExactRegions
    notes: tuple[str, ...]


def build(measured: Measured) -> ModelSensitivity:
    """Build one model's part of the result.

    Args:
        measured: What was measured.

    Returns:
        The part, ranked first of one.
    """
    kinds = _kinds(measured.counted)
    return ModelSensitivity(
        model=measured.facts,
        jacobian_rank=1,
        density=_density(kinds),
        density_rank=None,
        preprocessing=measured.preprocessing,
        site=measured.prober.site.name,
        feeds=measured.feeds,
        provider=measured.prober.provider,
        provider_note=measured.prober.provider_note,
        jacobian=_jacobian(measured),
        trajectory_types=kinds,
        trajectories=tuple(
            _trajectory(way, transitions, [measured.inputs.ids[i] for i in measured.inputs.kept])
            for way, transitions in zip(measured.counted.ways, measured.counted.transitions, strict=True)
        ),
        classes=measured.classes.source,
        sites=_sites(measured.units.sites, measured.counted),
        unread=dict(measured.units.unread),
        regions=measured.regions.between,
        inputs=_inputs(measured.inputs, measured.regions),
        failed=tuple(measured.inputs.failed),
        notes=measured.notes + _notes(measured),
    )


def _jacobian(measured: Measured) -> JacobianResult:
    inputs, first = measured.inputs, measured.inputs.norms[0]
    return JacobianResult(
        probe=first.function,
        directions=first.directions,
        norm=_estimate(inputs.all("norm")),
        within_region=float(inputs.all("exact_fraction").mean()) if measured.whole_regions else None,
        disagreement=_number(_median(inputs.all("disagreement"))),
        note=first.note,
    )


def _median(values: NDArray[np.float64]) -> float:
    """Median without NaN; NaN if nothing else is left, as with steps that are given."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _inputs(inputs: MeasuredInputs, regions: ExactRegions) -> tuple[SensitivityInput, ...]:
    nearest = dict(zip(inputs.kept, regions.nearest, strict=False))
    rows = zip(
        inputs.ids,
        inputs.all("norm").tolist(),
        inputs.all("standard_error").tolist(),
        inputs.all("step").tolist(),
        inputs.predictions,
        strict=True,
    )
    return tuple(
        SensitivityInput(
            id=name,
            jacobian=_number(norm),
            jacobian_error=_number(error),
            step=_number(step),
            nearest_boundary=nearest.get(i),
            prediction=prediction,
        )
        for i, (name, norm, error, step, prediction) in enumerate(rows)
    )


def _kinds(counted: Counted) -> tuple[TrajectoryTypeResult, ...]:
    results = []
    for kind in dict.fromkeys(way.type for way in counted.ways):
        mine = [
            found for way, found in zip(counted.ways, counted.transitions, strict=True) if way.type == kind
        ]
        results.append(
            TrajectoryTypeResult(
                type=kind,
                transitions=_estimate(np.array([found.total for found in mine], np.float64)),
                density=_estimate(np.array([found.total / found.length for found in mine])),
                converged=sum(found.converged for found in mine),
            )
        )
    return tuple(results)


def _trajectory(way: Chosen, found: Transitions, ids: Sequence[str]) -> TrajectoryResult:
    bounds = np.linspace(0, 1, _PARTS + 1)
    lengths = way.trajectory.lengths(bounds)
    so_far = np.interp(bounds, found.at, np.concatenate([[0], np.cumsum(found.between)]))
    return TrajectoryResult(
        type=way.type,
        inputs=tuple(ids[i] for i in way.inputs),
        length=found.length,
        transitions=found.total,
        remainder=_number(found.remainder),
        converged=found.converged,
        points=found.points,
        # A part may have no length: a step of the ring of an image that repeats itself.
        profile=tuple(np.divide(np.diff(so_far), lengths, out=np.zeros(_PARTS), where=lengths > 0).tolist()),
    )


def _sites(sites: Sequence[PatternSite], counted: Counted) -> tuple[SiteResult, ...]:
    if not counted.ways:
        return ()
    density = np.array([found.counts / found.length for found in counted.transitions])
    kinds = np.array([way.type for way in counted.ways])
    return tuple(
        SiteResult(
            name=site.name,
            op=site.op,
            exact=site.exact,
            units=counted.units[i],
            density={kind: float(density[kinds == kind, i].mean()) for kind in dict.fromkeys(kinds.tolist())},
        )
        for i, site in enumerate(sites)
    )


def _estimate(values: NDArray[np.float64]) -> MeanEstimate:
    found = mean_interval(values)
    return MeanEstimate(
        count=int((~np.isnan(values)).sum()),
        mean=_number(found.value),
        low=_number(found.low),
        high=_number(found.high),
    )


def _density(kinds: Sequence[TrajectoryTypeResult]) -> float | None:
    means = [kind.density.mean for kind in kinds if kind.density.mean is not None]
    return float(np.mean(means)) if means else None


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _notes(measured: Measured) -> tuple[str, ...]:
    sites, inputs, counted = measured.units.sites, measured.inputs, measured.counted
    notes = []
    proxies = sum(site.exact == "sign" for site in sites)
    if proxies:
        notes.append(
            f"{proxies} of {len(sites)} activation functions are smooth: the sign of their pre-activations stands "
            "in for an activation pattern, and transitions are a proxy."
        )
    pieces = sum(site.exact == "pattern" for site in sites)
    if pieces:
        notes.append(f"{pieces} of {len(sites)} activation functions have pieces that are not all linear.")
    if len(inputs.ids) > len(inputs.kept):
        notes.append(
            f"Trajectories and exact boundaries are of the first {len(inputs.kept)} inputs of one shape; all have a "
            "Jacobian norm."
        )
    if counted.ways and measured.classes.note:
        notes.append(measured.classes.note)
    slow = sum(not found.converged for found in counted.transitions)
    if slow:
        notes.append(
            f"{slow} of {len(counted.ways)} trajectories have not converged: their transitions are a lower bound, and "
            "more may be left than the tolerance allows."
        )
    if counted.note:
        notes.append(counted.note)
    return tuple(notes)
