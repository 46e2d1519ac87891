"""Metrics of gates: each is one function with a `register_metric` decorator."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Literal

from onnx_ood._ids import kebab_id
from onnx_ood.audits.check.agreement import compare_answers
from onnx_ood.audits.check.audit_runner import AuditRunner, require_evaluated
from onnx_ood.audits.check.registry import METRICS, Metric, MetricValue, register_metric
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.sensitivity.result import ModelSensitivity
from onnx_ood.evidence.nudge_units import UNITS_DIFFER
from onnx_ood.exceptions import NotEvaluatedError
from onnx_ood.graph import all_operators, count_non_finite
from onnx_ood.inputs import open_inputs
from onnx_ood.metrics.estimates import fraction_interval, median_interval

__all__ = ["METRICS"]

_PROBE_ADVICE = (
    "check the weights up to this layer, and the preprocessing; compare the layers with onnx-ood score "
    "--copies 4"
)
_SENSITIVITY_ADVICE = "compare the models with onnx-ood sensitivity; check the preprocessing"


@register_metric(
    Metric(
        name="auroc",
        meaning="area under the ROC curve of a detector, for one out-of-distribution set; without a set, the mean over "
        "all sets",
        audit="bench",
        advice="list all detectors and sets with onnx-ood bench; check the preprocessing, and that the sets are "
        "unchanged",
        upper_limit=1,
        worse="smaller",
        target="detector",
        takes_set=True,
    )
)
def auroc(runner: AuditRunner, detector: str, set_name: str | None) -> MetricValue:
    """Measure how well a detector separates a set, or all sets, from the in-distribution inputs."""
    if reason := runner.why_no_detector(detector):
        raise NotEvaluatedError(reason)
    result = runner.bench()
    sets = {one.name: one.inputs for one in result.sets}
    if set_name is not None and set_name not in sets:
        raise NotEvaluatedError(f"set {set_name} cannot be made for this model; available: {', '.join(sets)}")
    large = [one.name for one in result.evaluated_sets]
    if not large or (set_name not in large if set_name is not None else result.status != "measured"):
        smallest = set_name or min(sets, key=lambda name: sets[name])
        raise NotEvaluatedError(
            "fewer than 10 inputs of a set could be measured: "
            f"{result.id} in-distribution, {sets[smallest]} of {smallest}"
        )
    metrics = next(one for one in result.detectors if one.name == detector)
    if set_name is None:
        area, counts = metrics.macro, list(sets.values())
    else:
        area = next(one.auroc for one in metrics.metrics if one.set == set_name)
        counts = [sets[set_name]]
    return MetricValue(area.value, area.low, area.high, min(result.id, *counts), terms=metrics.terms)


@register_metric(
    Metric(
        name="flagged",
        meaning="share of inputs flagged as unlike the references",
        audit="score",
        advice="look at the flagged inputs with onnx-ood score --reference; check the preprocessing",
        unit="share",
        upper_limit=1,
        needs=("inputs", "reference"),
    )
)
def flagged(runner: AuditRunner) -> MetricValue:
    """Measure the share of flagged inputs."""
    config = runner.config
    if reason := runner.why_no_detector(config.detector):
        raise NotEvaluatedError(reason)
    if shared := open_inputs(config.inputs).shared_with(open_inputs(config.reference)):
        more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        raise NotEvaluatedError(
            f"{shared[0]}{more}: among both inputs and references; remove from one of them"
        )
    result = runner.evaluated_score()
    if result.flagged is None:
        rate = (
            f"positive rate of {config.fpr:g}" if config.fdr is None else f"discovery rate of {config.fdr:g}"
        )
        raise NotEvaluatedError(f"too few references to flag any input at a false-{rate}; give more")
    terms = tuple(term for name, term in result.terms if name == config.detector)
    return replace(_share(result.flagged, result.scored), terms=terms)


@register_metric(
    Metric(
        name="cosine-drop",
        meaning="1 − cosine between a probe's activations for an input and its nudged copies: median over inputs",
        audit="score",
        advice=_PROBE_ADVICE,
        upper_limit=2,
        worse="change",
        target="probe",
    )
)
def cosine_drop(runner: AuditRunner, probe: str) -> MetricValue:
    """Measure the median cosine drop at a probe."""
    return _median_at_probe(runner, probe, "drop")


@register_metric(
    Metric(
        name="distortion",
        meaning="angle by which a probe turns over the angle by which the nudged tensor turns: median over inputs",
        audit="score",
        advice=_PROBE_ADVICE,
        worse="change",
        target="probe",
    )
)
def distortion(runner: AuditRunner, probe: str) -> MetricValue:
    """Measure the median distortion at a probe."""
    return _median_at_probe(runner, probe, "distortion")


@register_metric(
    Metric(
        name="flip-rate",
        meaning="share of a probe's units switched on or off by a nudge: median over inputs",
        audit="score",
        advice=_PROBE_ADVICE,
        unit="share",
        upper_limit=1,
        worse="change",
        target="probe",
    )
)
def flip_rate(runner: AuditRunner, probe: str) -> MetricValue:
    """Measure the median flip rate at a probe."""
    return _median_at_probe(runner, probe, "flip_rate")


@register_metric(
    Metric(
        name="above-noise",
        meaning="share of inputs whose cosine drop at a probe is above the noise floor of float rounding",
        audit="score",
        advice="nudge more strongly with scale, or watch another layer",
        unit="share",
        upper_limit=1,
        worse="smaller",
        target="probe",
    )
)
def above_noise(runner: AuditRunner, probe: str) -> MetricValue:
    """Measure the share of inputs whose cosine drop is above the noise floor of a probe."""
    result, place = _at_probe(runner, probe)
    floor = result.probes[place].noise_floor
    drops = [drop for entry in result.inputs if (drop := entry.drop[place]) is not None]
    above = sum(drop > floor for drop in drops)
    return replace(_share(above, len(drops)), detail=f"noise floor: {floor:.2g}")


@register_metric(
    Metric(
        name="jacobian-norm",
        meaning="norm of the Jacobian of the model's output: mean over inputs",
        audit="sensitivity",
        advice=_SENSITIVITY_ADVICE,
    )
)
def jacobian_norm(runner: AuditRunner) -> MetricValue:
    """Measure the mean norm of the Jacobian."""
    audit = runner.evaluated_sensitivity()
    norm = audit.jacobian.norm
    if norm.mean is None:
        raise NotEvaluatedError("no Jacobian norm is finite")
    if norm.mean == 0:
        raise NotEvaluatedError(f"the output is constant around all {norm.count} inputs: no nudge changed it")
    return MetricValue(norm.mean, norm.low, norm.high, norm.count, _unit_detail(audit))


@register_metric(
    Metric(
        name="transition-density",
        meaning="transitions between linear regions per unit of length: mean over trajectories of one type",
        audit="sensitivity",
        advice=_SENSITIVITY_ADVICE,
        target="trajectories",
    )
)
def transition_density(runner: AuditRunner, trajectories: str) -> MetricValue:
    """Measure the mean density of transitions along one type of trajectories."""
    audit = runner.evaluated_sensitivity()
    found = next((one for one in audit.trajectory_types if one.type == trajectories), None)
    if found is None or found.density.mean is None:
        raise NotEvaluatedError(f"these inputs give no trajectories of type {kebab_id(trajectories)}")
    density = found.density
    unsure = density.count - found.converged
    unconverged = f"{unsure} of {density.count} trajectories did not converge" if unsure else ""
    detail = "; ".join(filter(None, [unconverged, _unit_detail(audit)]))
    return MetricValue(density.mean or 0.0, density.low, density.high, density.count, detail)


@register_metric(
    Metric(
        name="agreement",
        meaning="share of inputs with the same predicted class as the baseline model's",
        audit="score",
        advice="look at inputs with different predictions; check weights, preprocessing and quantisation",
        unit="share",
        upper_limit=1,
        worse="smaller",
        needs=("inputs", "baseline-model"),
    )
)
def agreement(runner: AuditRunner) -> MetricValue:
    """Measure the share of inputs to which the baseline model gives the same class."""
    return _share(*compare_answers(runner.score(), require_evaluated(runner.baseline_score())))


@register_metric(
    Metric(
        name="failed-inputs",
        meaning="share of inputs that cannot be read or run, or give NaN or infinity",
        audit="score",
        advice="list the failed inputs with their reasons: onnx-ood score",
        unit="share",
        upper_limit=1,
    )
)
def failed_inputs(runner: AuditRunner) -> MetricValue:
    """Measure the share of inputs without a score."""
    result = runner.score()
    total = result.scored + result.unscored
    if not total:
        raise NotEvaluatedError("there are no inputs")
    first = f"first failed input: {result.failed[0].id}: {result.failed[0].reason}" if result.failed else ""
    return replace(_share(result.unscored, total), detail=first)


@register_metric(
    Metric(
        name="observer-effect",
        meaning="largest relative change of the model's outputs caused by watching it",
        audit="score",
        advice="watch fewer probes, or allow for the runtime's fusions with a larger bound",
    )
)
def observer_effect(runner: AuditRunner) -> MetricValue:
    """Measure the observer effect."""
    run = runner.evaluated_score().run
    if run.observer_effect is None and run.random_operators:
        raise NotEvaluatedError(
            f"the model gives different outputs for the same input ({', '.join(run.random_operators)})"
        )
    if run.observer_effect is None:
        raise NotEvaluatedError("the model was not run without probes")
    return MetricValue(run.observer_effect)


@register_metric(
    Metric(
        name="provider",
        meaning="execution provider the model ran on: cuda or cpu",
        audit="score",
        advice="see what this machine can run with onnx-ood doctor",
        kind="text",
        texts=("cpu", "cuda"),
        worse="change",
    )
)
def provider(runner: AuditRunner) -> MetricValue:
    """Read the execution provider the model ran on."""
    run = runner.score().run
    if not run.placement:
        raise NotEvaluatedError("no input was run")
    return MetricValue(run.provider, detail=run.provider_note)


@register_metric(
    Metric(
        name="size",
        meaning="bytes on disk, external data included",
        audit="file",
        advice="export the model again; list its contents with onnx-ood inspect",
        unit="bytes",
        needs=(),
    )
)
def size(runner: AuditRunner) -> MetricValue:
    """Read the number of bytes on disk."""
    return MetricValue(runner.model.size)


@register_metric(
    Metric(
        name="parameters",
        meaning="stored numbers: elements of initializers and constants",
        audit="file",
        advice="list the model's contents with onnx-ood inspect; its architecture or export differs",
        worse="change",
        needs=(),
    )
)
def parameters(runner: AuditRunner) -> MetricValue:
    """Read the number of parameters."""
    return MetricValue(runner.model.parameters)


@register_metric(
    Metric(
        name="opset",
        meaning="version of the standard operators",
        audit="file",
        advice="export the model for the required opset",
        worse="change",
        needs=(),
    )
)
def opset(runner: AuditRunner) -> MetricValue:
    """Read the version of the standard operators."""
    if "ai.onnx" not in runner.model.opsets:
        raise NotEvaluatedError("the model imports no version of the standard operators")
    return MetricValue(runner.model.opsets["ai.onnx"])


@register_metric(
    Metric(
        name="operators",
        meaning="types of operators, those inside control flow and functions included",
        audit="file",
        advice="export the model without them; list its contents with onnx-ood inspect",
        kind="names",
        worse="change",
        needs=(),
    )
)
def operators(runner: AuditRunner) -> MetricValue:
    """Read the types of operators."""
    return MetricValue(all_operators(runner.model))


@register_metric(
    Metric(
        name="nan-weights",
        meaning="stored values that are NaN, in weights and constants",
        audit="file",
        advice="training or export failed; download the file again, or export it from a good checkpoint",
        unit="values",
        needs=(),
    )
)
def nan_weights(runner: AuditRunner) -> MetricValue:
    """Count the stored values that are NaN."""
    return _non_finite(runner, "nan")


@register_metric(
    Metric(
        name="infinite-weights",
        meaning="stored values that are infinite, in weights and constants (attention masks may contain some)",
        audit="file",
        advice="export the model from a good checkpoint; a mask may use the largest finite number instead",
        unit="values",
        needs=(),
    )
)
def infinite_weights(runner: AuditRunner) -> MetricValue:
    """Count the stored values that are infinite."""
    return _non_finite(runner, "infinite")


def _median_at_probe(
    runner: AuditRunner, selector: str, measure: Literal["drop", "distortion", "flip_rate"]
) -> MetricValue:
    result, place = _at_probe(runner, selector)
    values = [getattr(entry, measure)[place] for entry in result.inputs]
    known = [value for value in values if value is not None]
    probe = result.probes[place]
    if not known:
        raise NotEvaluatedError(f"{probe.name}: the metric is undefined for all inputs")
    if measure != "flip_rate" and not any(known):
        raise NotEvaluatedError(
            f"{probe.name} is constant around all {len(known)} inputs: no nudge changed it"
        )
    median = median_interval(known)
    detail = ""
    if measure != "flip_rate" and probe.above_floor < 0.5:
        detail = f"most cosine drops are not above the noise floor of {probe.noise_floor:.2g}"
    return MetricValue(
        median.value, _finite_or_none(median.low), _finite_or_none(median.high), len(known), detail
    )


def _at_probe(runner: AuditRunner, selector: str) -> tuple[ScoreResult, int]:
    """Return the score and the position of a probe in it."""
    name = runner.probe(selector)
    result = runner.evaluated_score()
    if name in result.skipped_probes:
        raise NotEvaluatedError(f"{name}: {result.skipped_probes[name]}")
    return result, [probe.name for probe in result.probes].index(name)


def _unit_detail(audit: ModelSensitivity) -> str:
    """Return the note on features in different units as a detail; empty without it."""
    note = next((note for note in audit.notes if note.startswith(UNITS_DIFFER)), "")
    return f"{note[:1].lower()}{note[1:]}".rstrip(".")


def _non_finite(runner: AuditRunner, which: Literal["nan", "infinite"]) -> MetricValue:
    found = count_non_finite(runner.model)
    count: int = getattr(found, which)
    shown = ", ".join(found.tensors[:3]) + (", ..." if len(found.tensors) > 3 else "")
    return MetricValue(count, detail=f"tensors with NaN or infinity: {shown}" if count else "")


def _share(count: int, total: int) -> MetricValue:
    return MetricValue(*fraction_interval(count, total), total)


def _finite_or_none(value: float) -> float | None:
    return value if isfinite(value) else None
