"""The check audit: do models pass the gates that a file names?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, get_args

from onnx_ood._types import Progress
from onnx_ood.audits.check.baseline import Baseline, BaselineMetric, BaselineModel, read_baseline
from onnx_ood.audits.check.config import CheckPlan, Gate
from onnx_ood.audits.check.evaluate import Evaluation, evaluate, expected, insufficient_data
from onnx_ood.audits.check.metric_values import MetricValue
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult, Outcome
from onnx_ood.audits.check.runs import AuditRequest, AuditRunner
from onnx_ood.exceptions import NotEvaluatedError, OnnxOodError, UsageError
from onnx_ood.inputs import shown
from onnx_ood.results.environment import environment

_ORDER: tuple[Outcome, ...] = get_args(Outcome)


class Checked(NamedTuple):
    """What a check gives.

    Attributes:
        result: What came of the gates.
        baseline: What a baseline of these models says; None if a gate ended in an error, for then it would lack
            what an older one may have.
    """

    result: CheckResult
    baseline: Baseline | None


def check(plan: CheckPlan, *, update_baseline: bool = False, progress: Progress | None = None) -> Checked:
    """Runs the audits that gates need, each once a model, and judges their figures.

    Args:
        plan: Models and gates.
        update_baseline: True to compare with a baseline of these models themselves, which the caller writes.
        progress: Called with the number of inputs done and in all, by one audit after the other.

    Returns:
        What came of it. Where a model can't be read or run, or something that it needs fails, its gates end in an
        error, and the others are judged all the same.

    Raises:
        UsageError: If a setting doesn't fit a model, with the line; or the baseline's file is none.
    """
    if update_baseline and plan.baseline is None:
        raise UsageError(
            f'{plan.path.as_posix()}: names no baseline: add baseline = "onnx-ood-baseline.json" at its top'
        )
    stored = None
    if not update_baseline and plan.baseline is not None:
        stored = read_baseline(plan.baseline)
    runs = _runs(plan, progress)
    readings = {
        (number, name): _read(plan, number, gate, name, runs[name]) for number, gate, name in plan.applied()
    }
    now = _baseline(plan, runs, readings)
    compared = now if update_baseline else stored
    gates = [
        _result(plan, number, gate, name, readings[number, name], _affected(compared, now, name, gate))
        for number, gate, name in plan.applied()
    ]
    outcomes = [gate.outcome for gate in gates]
    status: Outcome = next((outcome for outcome in _ORDER if outcome in outcomes), "passed")
    result = CheckResult(
        status=status,
        file=plan.path.as_posix(),
        baseline=plan.baseline.as_posix() if plan.baseline else None,
        environment=environment(),
        passed=outcomes.count("passed"),
        failed=outcomes.count("failed"),
        not_evaluated=outcomes.count("not evaluated"),
        errors=outcomes.count("error"),
        models=tuple(_model(name, one) for name, one in runs.items()),
        gates=tuple(sorted(gates, key=lambda gate: _ORDER.index(gate.outcome))),
        notes=_notes(plan, stored, now, update_baseline=update_baseline, broken=status == "error"),
    )
    return Checked(result, None if status == "error" else now)


class _Compared(NamedTuple):
    """What a gate is compared with: the baseline's figure, and how that was measured otherwise."""

    then: BaselineMetric | None
    differences: list[str]


def _runs(plan: CheckPlan, progress: Progress | None) -> dict[str, AuditRunner]:
    cache = None if plan.config.cache is None else Path(plan.config.cache)
    found = {}
    for name, model in plan.config.models.items():
        gates = [gate for _, gate, applied in plan.applied() if applied == name]
        named = [(METRICS[gate.figure].of, gate.of) for gate in gates]
        wanted = AuditRequest(
            frozenset(gate.figure for gate in gates),
            tuple(dict.fromkeys(of for kind, of in named if kind == "detector" and of is not None)),
            tuple(dict.fromkeys(of for kind, of in named if kind == "probe" and of is not None)),
        )
        found[name] = AuditRunner(model, wanted, cache, progress)
    return found


def _read(
    plan: CheckPlan, number: int, gate: Gate, name: str, runs: AuditRunner
) -> MetricValue | OnnxOodError:
    """The figure of a gate, or why there is none."""
    try:
        return METRICS[gate.figure].read(runs, gate.of or "", gate.set)
    except UsageError as error:
        raise UsageError(
            shown(
                f"{plan.path.as_posix()}: line {plan.gate_line(number)}: gates.{number}: {gate.figure} of "
                f"models.{name} (line {plan.model_line(name)}): {error}"
            )
        ) from None
    except OnnxOodError as error:
        return error


def _model(name: str, runs: AuditRunner) -> CheckedModelResult:
    """What there is to say of a model; of one that can't be read, where it was looked for."""
    read = runs.readable()
    provider, tf32 = runs.ran_on
    return CheckedModelResult(
        name=name,
        path=Path(runs.config.path).as_posix(),
        model=read.facts if read else None,
        external_data=read.external_data if read else {},
        provider=provider,
        tf32=tf32,
        notes=runs.notes,
    )


def _baseline(
    plan: CheckPlan, runs: dict[str, AuditRunner], readings: dict[tuple[int, str], MetricValue | OnnxOodError]
) -> Baseline:
    """What a baseline of the models says that can be read: figures that say something."""
    versions = environment()
    models = {}
    for name, one in sorted(runs.items()):
        if (read := one.readable()) is None:
            continue
        figures = {}
        for number, gate, applied in plan.applied():
            reading = readings[number, name] if applied == name else None
            if not isinstance(reading, MetricValue) or insufficient_data(
                gate, plan.config.least_inputs, reading
            ):
                continue
            if not isinstance(reading.value, tuple):
                figures[gate.title] = BaselineMetric(
                    value=reading.value, low=reading.low, high=reading.high, inputs=reading.count
                )
        provider, tf32 = one.ran_on
        models[name] = BaselineModel(
            sha256=read.facts.sha256,
            external_data=read.external_data,
            settings=plan.located.value.models[name].settings,
            onnx_ood=versions.onnx_ood,
            onnxruntime=versions.onnxruntime,
            provider=provider,
            tf32=tf32,
            figures=dict(sorted(figures.items())),
        )
    return Baseline(models=models)


def _affected(compared: Baseline | None, now: Baseline, name: str, gate: Gate) -> _Compared:
    """The baseline of a gate; what the file alone tells doesn't depend on how a model was run."""
    if gate.against is None or compared is None or name not in compared.models:
        return _Compared(None, [])
    model = compared.models[name]
    run = METRICS[gate.figure].audit != "file" and name in now.models
    return _Compared(model.figures.get(gate.title), model.differences(now.models[name]) if run else [])


def _result(
    plan: CheckPlan,
    number: int,
    gate: Gate,
    name: str,
    reading: MetricValue | OnnxOodError,
    compared: _Compared,
) -> GateResult:
    figure = METRICS[gate.figure]
    if isinstance(reading, NotEvaluatedError):
        plan_output = "give the model what the figure needs, or leave the gate out"
        judged, measured = Evaluation("not evaluated", str(reading), plan_output), None
    elif isinstance(reading, OnnxOodError):
        judged, measured = Evaluation("error", str(reading)), None
    else:
        judged, measured = evaluate(gate, plan.config.least_inputs, reading, compared.then), reading
    notes = [measured.detail] if measured and measured.detail else []
    if measured and compared.differences:
        notes.append(f"the baseline was measured otherwise: {'; '.join(compared.differences)}")
    return GateResult(
        model=name,
        title=gate.title,
        figure=gate.figure,
        of=gate.of,
        set=gate.set,
        line=plan.gate_line(number),
        outcome=judged.outcome,
        expected=expected(gate, compared.then),
        found=measured.value if measured and measured.known else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        unit=figure.unit,
        inputs=measured.count if measured else None,
        reason=judged.reason,
        advice=judged.advice,
        notes=tuple(notes),
    )


def _notes(
    plan: CheckPlan, stored: Baseline | None, now: Baseline, *, update_baseline: bool, broken: bool
) -> tuple[str, ...]:
    """What there is to say of the baseline."""
    if update_baseline and broken:
        return ("The baseline is left as it is: what ended in an error would be missing from a new one.",)
    wanted = [name for _, gate, name in plan.applied() if gate.against is not None]
    if not wanted:
        return ()
    if update_baseline:
        return ("Gates against the baseline compare these models with themselves: it is made of this run.",)
    if stored is None:
        return (f"There is no baseline yet; onnx-ood check --update-baseline writes {plan.config.baseline}.",)
    notes = []
    for name in dict.fromkeys(wanted):
        then, later = stored.models.get(name), now.models.get(name)
        if then is None:
            notes.append(f"The baseline doesn't know {name}.")
        if then is None or later is None:
            continue
        differences = then.differences(later)
        otherwise = f", and measured otherwise: {'; '.join(differences)}" if differences else ""
        notes.append(f"{name}: the baseline is of {then.likeness(later)}{otherwise}.")
    return tuple(notes)
