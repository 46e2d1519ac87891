"""Figures that gates can bound, as they are read from the audits' results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from onnx_ood.audits.check.agreement import compare_answers
from onnx_ood.audits.check.runs import AuditRunner, enough
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.evidence.references import among_references
from onnx_ood.exceptions import NotEvaluatedError
from onnx_ood.graph import all_operators, count_non_finite
from onnx_ood.inputs import discover
from onnx_ood.metrics.estimates import fraction_interval, median_interval


@dataclass(frozen=True)
class MetricValue:
    """What a figure is.

    Attributes:
        value: A number, a text, or texts.
        low: Lower end of the number's 95% confidence interval, None where it has none.
        high: Upper end.
        count: From how many inputs (or trajectories) it is; None where none are involved.
        detail: What a reader should know of it, or empty.
    """

    value: float | str | tuple[str, ...]
    low: float | None = None
    high: float | None = None
    count: int | None = None
    detail: str = ""

    @property
    def known(self) -> bool:
        """False for a number that is none: NaN, or infinite."""
        return isinstance(self.value, str | tuple) or isfinite(self.value)


Read = Callable[[AuditRunner, str, str | None], MetricValue]


def auroc(runs: AuditRunner, of: str, named: str | None) -> MetricValue:
    """How well a detector tells a set, or all of them, from the ordinary inputs."""
    if reason := runs.why_no_detector(of):
        raise NotEvaluatedError(reason)
    result = runs.bench()
    sets = {one.name: one.inputs for one in result.sets}
    if named is not None and named not in sets:
        raise NotEvaluatedError(f"{named} could not be made for this model; there is {', '.join(sets)}")
    if result.status == "not evaluated":
        least = min(sets, key=lambda name: sets[name])
        raise NotEvaluatedError(
            "fewer than 10 inputs of a set could be measured: "
            f"{result.ordinary} ordinary ones, {sets[least]} of {least}"
        )
    detector = next(one for one in result.detectors if one.name == of)
    wanted = {named: sets[named]} if named is not None else sets
    area = detector.macro
    if named is not None:
        area = next(one.auroc for one in detector.figures if one.set == named)
    return MetricValue(area.value, area.low, area.high, min(result.ordinary, *wanted.values()))


def flagged(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The share of inputs that are flagged."""
    if reason := runs.why_no_detector(runs.config.detector):
        raise NotEvaluatedError(reason)
    config = runs.config
    if shared := among_references(discover(config.inputs).paths, config.reference):
        raise NotEvaluatedError(
            f"{shared[0].as_posix()} is among the inputs and among the references"
            + (f", as are {len(shared) - 1} others" if len(shared) > 1 else "")
            + ": keep them apart"
        )
    result = runs.scored()
    if result.flagged is None:
        verdict = result.verdict
        rate = f" at a rate of {verdict.rate:g}" if verdict and verdict.rate else ""
        raise NotEvaluatedError(f"nothing can be flagged{rate} by so few references; give more")
    return _share(result.flagged, result.scored)


def at_probe(measure: Literal["drop", "distortion", "flip_rate"]) -> Read:
    """What reads the median over inputs of something measured at a probe."""

    def read(runs: AuditRunner, of: str, _set: str | None) -> MetricValue:
        result, place = _watched(runs, of)
        values = [getattr(entry, measure)[place] for entry in result.inputs]
        known = [value for value in values if value is not None]
        probe = result.probes[place]
        if not known:
            raise NotEvaluatedError(f"{probe.name} has no such number for any input")
        median = median_interval(known)
        detail = ""
        if measure != "flip_rate" and probe.above_floor < 0.5:
            detail = f"most drops are not above the noise floor of {probe.noise_floor:.2g}"
        return MetricValue(median.value, _number(median.low), _number(median.high), len(known), detail)

    return read


def above_noise(runs: AuditRunner, of: str, _set: str | None) -> MetricValue:
    """The share of inputs whose cosine drop is above the noise floor of a probe."""
    result, place = _watched(runs, of)
    probe = result.probes[place]
    drops = [entry.drop[place] for entry in result.inputs]
    above = sum(drop is not None and drop > probe.noise_floor for drop in drops)
    reading = _share(above, len(drops))
    return replace(reading, detail=f"the noise floor is {probe.noise_floor:.2g}")


def jacobian(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The mean norm of the Jacobian."""
    norm = runs.sensitive().jacobian.norm
    if norm.mean is None:
        raise NotEvaluatedError("no Jacobian norm is a finite number")
    return MetricValue(norm.mean, norm.low, norm.high, norm.count)


def density(runs: AuditRunner, of: str, _set: str | None) -> MetricValue:
    """The mean density of transitions on trajectories of a kind."""
    kind = next((one for one in runs.sensitive().trajectory_types if one.type == of.replace("-", "_")), None)
    if kind is None or kind.density.mean is None:
        raise NotEvaluatedError(f"there are no trajectories of the kind {of!r} between these inputs")
    density = kind.density
    unsure = density.count - kind.converged
    detail = f"{unsure} of {density.count} trajectories did not converge" if unsure else ""
    return MetricValue(density.mean or 0.0, density.low, density.high, density.count, detail)


def agreement(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The share of inputs that the baseline model answers alike."""
    same, compared = compare_answers(runs.score(), enough(runs.baseline_score()))
    return _share(same, compared)


def observer(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The observer effect."""
    effect = runs.scored().run.observer_effect
    if effect is None:
        raise NotEvaluatedError("the model was not run unwatched")
    return MetricValue(effect)


def failed(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The share of inputs without a score."""
    result = runs.score()
    total = result.scored + result.unscored
    if not total:
        raise NotEvaluatedError("there are no inputs")
    first = f"the first: {result.failed[0].id}: {result.failed[0].reason}" if result.failed else ""
    reading = _share(result.unscored, total)
    return MetricValue(reading.value, reading.low, reading.high, total, first)


def provider(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """Where the model ran."""
    run = runs.score().run
    if not run.placement:
        raise NotEvaluatedError("no input was run")
    return MetricValue(run.provider, detail=run.provider_note)


def size(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """Bytes on disk."""
    return MetricValue(runs.model.size)


def parameters(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """How many numbers the model has learnt."""
    return MetricValue(runs.model.parameters)


def opset(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The version of the standard operators."""
    if "ai.onnx" not in runs.model.opsets:
        raise NotEvaluatedError("the model imports no version of the standard operators")
    return MetricValue(runs.model.opsets["ai.onnx"])


def operators(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
    """The operators that occur."""
    return MetricValue(all_operators(runs.model))


def non_finite(what: Literal["nan", "infinite"]) -> Read:
    """What reads how many stored values are no finite numbers."""

    def read(runs: AuditRunner, _of: str, _set: str | None) -> MetricValue:
        found = count_non_finite(runs.model)
        count = found.nan if what == "nan" else found.infinite
        shown = ", ".join(found.tensors[:3]) + (", ..." if len(found.tensors) > 3 else "")
        return MetricValue(count, detail=f"NaN or infinity is in {shown}" if count else "")

    return read


def _watched(runs: AuditRunner, of: str) -> tuple[ScoreResult, int]:
    """What was scored, and the place of a probe in it."""
    name = runs.probe(of)
    result = runs.scored()
    if name in result.skipped_probes:
        raise NotEvaluatedError(f"{name}: {result.skipped_probes[name]}")
    return result, [probe.name for probe in result.probes].index(name)


def _share(count: int, total: int) -> MetricValue:
    return MetricValue(*fraction_interval(count, total), total)


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
