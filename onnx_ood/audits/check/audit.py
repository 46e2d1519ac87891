"""The check audit: do models keep the bounds of a file of gates?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, get_args

from onnx_ood._arguments import checked
from onnx_ood._dialect import dialect
from onnx_ood._progress import prefixed
from onnx_ood._types import Progress
from onnx_ood.audits.check.audit_runner import AuditRequest, AuditRunner
from onnx_ood.audits.check.baseline import (
    Baseline,
    BaselineMetric,
    baseline_metric,
    describe,
    read_baseline,
)
from onnx_ood.audits.check.config import CheckPlan, Gate, find_check_file, read_check_file
from onnx_ood.audits.check.evaluate import Evaluation, evaluate, expected
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.registry import MetricValue, measure
from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult, Outcome
from onnx_ood.detectors import differing_terms
from onnx_ood.exceptions import NotEvaluatedError, OnnxOodError, UsageError
from onnx_ood.inputs import InputSource, open_inputs, shown
from onnx_ood.results.base import Environment
from onnx_ood.results.provenance import environment

_PRECEDENCE: tuple[Outcome, ...] = get_args(Outcome)


@checked
def check(
    file: str | Path | CheckPlan | None = None,
    *,
    update_baseline: bool = False,
    progress: Progress | None = None,
) -> CheckResult:
    """Check models against the gates of a file.

    Args:
        file: A TOML file of models and gates, or such a file as read; None for `onnx-ood.toml` in the working folder,
            or else the table `[tool.onnx_ood]` of `pyproject.toml`.
        update_baseline: True to compare gates with this run instead of the stored baseline, before
            `onnx_ood.audits.check.baseline.to_baseline(result)` is stored. No file is written.
        progress: Called by each audit with the name of a model and phase, its steps done and in all (None if not
            counted).

    Returns:
        The result. If a model, or something else a gate needs, cannot be read or run, the gate ends in an error, and
        all other gates are evaluated.

    Raises:
        UsageError: If the file is invalid or a setting does not fit a model, with line and key; or if the baseline
            file is not a baseline.
    """
    if isinstance(file, CheckPlan):
        plan = file
    else:
        plan = read_check_file(find_check_file(None if file is None else Path(file)))
    if update_baseline and plan.baseline is None:
        raise UsageError(
            f'{plan.path.as_posix()}: names no baseline; add baseline = "onnx-ood-baseline.json" at its top'
        )
    stored = read_baseline(plan.baseline) if plan.baseline is not None and not update_baseline else None
    _check_inputs(plan)
    runners = _runners(plan, progress)
    with dialect("toml"):
        values = {
            (number, name): _measure(plan, number, gate, name, runners[name])
            for number, gate, name in plan.applied()
        }
    models = {name: _model(plan, name, runner) for name, runner in runners.items()}
    versions = environment()
    gates = []
    for number, gate, name in plan.applied():
        value = values[number, name]
        compared = _compared(stored, gate, models[name], versions)
        result = _gate_result(plan, number, gate, name, value, compared)
        if update_baseline and gate.baseline:
            # Evaluated again with itself as the baseline.
            result = _gate_result(plan, number, gate, name, value, _Compared(baseline_metric(result), []))
        gates.append(result)
    outcomes = [gate.outcome for gate in gates]
    status = next(outcome for outcome in _PRECEDENCE if outcome in outcomes)
    return CheckResult(
        status=status,
        file=plan.path.as_posix(),
        baseline=plan.baseline.as_posix() if plan.baseline else None,
        environment=versions,
        passed=outcomes.count("passed"),
        failed=outcomes.count("failed"),
        not_evaluated=outcomes.count("not_evaluated"),
        errors=outcomes.count("error"),
        models=tuple(models.values()),
        gates=tuple(sorted(gates, key=lambda gate: _PRECEDENCE.index(gate.outcome))),
        notes=_update_notes(plan, status) if update_baseline else _notes(plan, stored, models, versions),
    )


class _Compared(NamedTuple):
    """Counterpart of a gate in the baseline.

    Attributes:
        then: The metric, or None.
        differences: Changed settings and versions, in words.
    """

    then: BaselineMetric | None
    differences: list[str]


def _runners(plan: CheckPlan, progress: Progress | None) -> dict[str, AuditRunner]:
    cache = False if plan.config.cache is None else Path(plan.config.cache)
    found = {}
    for name, model in plan.config.models.items():
        gates = [gate for _, gate, applied in plan.applied() if applied == name]
        targets = [(METRICS[gate.metric].target, gate.target) for gate in gates if gate.target is not None]
        request = AuditRequest(
            {gate.metric for gate in gates},
            tuple(dict.fromkeys(target for kind, target in targets if kind == "detector")),
            tuple(dict.fromkeys(target for kind, target in targets if kind == "probe")),
        )
        found[name] = AuditRunner(model, request, cache, prefixed(progress, f"{name}: "))
    return found


def _check_inputs(plan: CheckPlan) -> None:
    """Refuse missing inputs of any model before the first one is run."""
    for name, model in plan.config.models.items():
        try:
            InputSource.joined(
                map(open_inputs, (model.inputs, model.reference, *model.ood.values()))
            ).check_missing()
        except UsageError as error:
            line = plan.model_line(name)
            raise UsageError(shown(f"{plan.path.as_posix()}: line {line}: models.{name}: {error}")) from None


def _measure(
    plan: CheckPlan, number: int, gate: Gate, name: str, runner: AuditRunner
) -> MetricValue | OnnxOodError:
    """Measure a gate's metric; return the error if that fails."""
    try:
        return measure(METRICS[gate.metric], runner, gate.target, gate.set_in(runner.config))
    except UsageError as error:
        raise UsageError(
            shown(
                f"{plan.path.as_posix()}: line {plan.gate_line(number)}: gates.{number}: {gate.metric} of "
                f"models.{name} (line {plan.model_line(name)}): {error}"
            )
        ) from None
    except OnnxOodError as error:
        return error


def _model(plan: CheckPlan, name: str, runner: AuditRunner) -> CheckedModelResult:
    loaded = runner.try_load()
    provider, tf32 = runner.ran_on
    return CheckedModelResult(
        name=name,
        path=Path(runner.config.path).as_posix(),
        model=loaded.facts if loaded else None,
        external_data=loaded.external_data if loaded else {},
        settings=plan.located.value.models[name].settings,
        provider=provider,
        tf32=tf32,
        notes=runner.notes,
        failed=runner.failed,
    )


def _compared(
    stored: Baseline | None, gate: Gate, model: CheckedModelResult, versions: Environment
) -> _Compared:
    if not gate.baseline or stored is None or model.name not in stored.models:
        return _Compared(None, [])
    then = stored.models[model.name]
    now = describe(model, versions)
    # Metrics of the file alone do not depend on how the model was run.
    depends = METRICS[gate.metric].audit != "file" and now is not None
    return _Compared(then.metrics.get(gate.title), then.differences(now) if depends and now else [])


def _gate_result(
    plan: CheckPlan,
    number: int,
    gate: Gate,
    name: str,
    value: MetricValue | OnnxOodError,
    compared: _Compared,
) -> GateResult:
    measured = None
    if isinstance(value, NotEvaluatedError):
        advice = "give the model what the metric needs, or remove the gate"
        evaluation = Evaluation("not_evaluated", str(value), advice)
    elif isinstance(value, OnnxOodError):
        evaluation = Evaluation("error", str(value))
    else:
        evaluation, measured = evaluate(gate, plan.config.min_inputs, value, compared.then), value
    notes = [measured.detail] if measured and measured.detail else []
    if measured and compared.differences:
        notes.append(f"the baseline was measured differently: {'; '.join(compared.differences)}")
    if measured and compared.then and (differing := differing_terms(compared.then.terms, measured.terms)):
        notes.append(f"the baseline is of another detector: {differing}")
    return GateResult(
        model=name,
        title=gate.title,
        metric=gate.metric,
        target=gate.target,
        set=gate.set_in(plan.config.models[name]),
        line=plan.gate_line(number),
        outcome=evaluation.outcome,
        expected=expected(gate, compared.then),
        found=measured.value if measured and measured.known else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        unit=METRICS[gate.metric].unit,
        inputs=measured.count if measured else None,
        terms=measured.terms if measured else (),
        min_inputs=gate.min_inputs or plan.config.min_inputs,
        reason=evaluation.reason,
        advice=evaluation.advice,
        notes=tuple(notes),
    )


def _update_notes(plan: CheckPlan, status: Outcome) -> tuple[str, ...]:
    """Write notes for a run that creates a new baseline."""
    if status == "error":
        return (
            "The baseline is left unchanged: metrics of gates with errors would be missing from a new one.",
        )
    if any(gate.baseline for gate in plan.config.gates):
        return (
            "Gates with a baseline are compared with this run itself, of which the new baseline is made.",
        )
    return ()


def _notes(
    plan: CheckPlan, stored: Baseline | None, models: dict[str, CheckedModelResult], versions: Environment
) -> tuple[str, ...]:
    """Write notes on the stored baseline, if gates are compared with it."""
    compared = dict.fromkeys(name for _, gate, name in plan.applied() if gate.baseline)
    if not compared:
        return ()
    if stored is None:
        return (f"No baseline yet; write {plan.config.baseline} with onnx-ood check --update-baseline.",)
    notes = []
    for name in compared:
        then, now = stored.models.get(name), describe(models[name], versions)
        if then is None:
            notes.append(f"The baseline has no model {name}.")
        elif now is not None:
            differences = then.differences(now)
            how = f", and was measured differently: {'; '.join(differences)}" if differences else ""
            notes.append(f"{name}: the baseline is of {then.compare_files(now)}{how}.")
    return tuple(notes)
