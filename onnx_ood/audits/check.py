"""The check audit: do models pass the gates that a file names?"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import NamedTuple, TypeGuard

from onnx_ood.audits.check_baseline import Baseline, BaselineFigure, BaselineModel, read_baseline
from onnx_ood.audits.check_figures import FIGURES, Reading
from onnx_ood.audits.check_file import CheckPlan, Gate
from onnx_ood.audits.check_judging import Judgement, expected, judge
from onnx_ood.audits.check_result import CheckedModelResult, CheckResult, GateResult, Outcome
from onnx_ood.audits.check_runs import Runs, Wanted
from onnx_ood.audits.environment import environment
from onnx_ood.exceptions import NotEvaluatedError, UsageError

Progress = Callable[[int, int | None], None]
_ORDER: tuple[Outcome, ...] = ("failed", "not evaluated", "passed")


class Checked(NamedTuple):
    """What a check gives.

    Attributes:
        result: What came of the gates.
        baseline: What a baseline of these models says.
    """

    result: CheckResult
    baseline: Baseline


def check(plan: CheckPlan, *, update_baseline: bool = False, progress: Progress | None = None) -> Checked:
    """Runs the audits that gates need, each once a model, and judges their figures.

    Args:
        plan: Models and gates.
        update_baseline: True to compare with a baseline of these models themselves, which the caller writes.
        progress: Called with the number of inputs done and in all, by one audit after the other.

    Returns:
        What came of it.

    Raises:
        UsageError: If a setting doesn't fit a model, with the line; or the baseline's file is none.
        ModelError: If a model can't be read or run.
        ProviderError: If the provider can't run here.
        OutputError: If the cache can't be written.
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
        models=tuple(
            CheckedModelResult(
                name=name,
                model=one.facts,
                provider=one.ran_on[0],
                tf32=one.ran_on[1],
                notes=one.notes,
            )
            for name, one in runs.items()
        ),
        gates=tuple(sorted(gates, key=lambda gate: _ORDER.index(gate.outcome))),
        notes=_notes(plan, stored, now, update_baseline=update_baseline),
    )
    return Checked(result, now)


class _Compared(NamedTuple):
    """What a gate is compared with: the baseline's figure, and how that was measured otherwise."""

    then: BaselineFigure | None
    differences: list[str]


def _runs(plan: CheckPlan, progress: Progress | None) -> dict[str, Runs]:
    cache = None if plan.said.cache is None else Path(plan.said.cache)
    found = {}
    for name, model in plan.said.models.items():
        gates = [gate for _, gate, applied in plan.applied() if applied == name]
        named = [(FIGURES[gate.figure].of, gate.of) for gate in gates]
        wanted = Wanted(
            frozenset(gate.figure for gate in gates),
            tuple(dict.fromkeys(of for kind, of in named if kind == "detector" and of is not None)),
            tuple(dict.fromkeys(of for kind, of in named if kind == "probe" and of is not None)),
        )
        found[name] = Runs(model, wanted, cache, progress)
    return found


def _read(plan: CheckPlan, number: int, gate: Gate, name: str, runs: Runs) -> Reading | NotEvaluatedError:
    """The figure of a gate, or why there is none."""
    try:
        return FIGURES[gate.figure].read(runs, gate.of or "", gate.set)
    except NotEvaluatedError as error:
        return error
    except UsageError as error:
        raise UsageError(
            f"{plan.path.as_posix()}: line {plan.gate_line(number)}: gates.{number}: {gate.figure} of "
            f"models.{name} (line {plan.model_line(name)}): {error}"
        ) from None


def _baseline(
    plan: CheckPlan, runs: dict[str, Runs], readings: dict[tuple[int, str], Reading | NotEvaluatedError]
) -> Baseline:
    versions = environment()
    models = {}
    for name, one in sorted(runs.items()):
        figures = {}
        for number, gate, applied in plan.applied():
            reading = readings[number, name] if applied == name else None
            if isinstance(reading, Reading) and _lasting(reading.value):
                figures[gate.title] = BaselineFigure(
                    value=reading.value, low=reading.low, high=reading.high, inputs=reading.count
                )
        provider, tf32 = one.ran_on
        models[name] = BaselineModel(
            sha256=one.facts.sha256,
            settings=plan.placed.value.models[name].settings,
            onnx_ood=versions.onnx_ood,
            onnxruntime=versions.onnxruntime,
            provider=provider,
            tf32=tf32,
            figures=dict(sorted(figures.items())),
        )
    return Baseline(models=models)


def _lasting(value: float | str | tuple[str, ...]) -> TypeGuard[float | str]:
    """Whether a baseline can hold a figure: JSON has no NaN and no infinity."""
    return isinstance(value, str) or (not isinstance(value, tuple) and isfinite(value))


def _affected(compared: Baseline | None, now: Baseline, name: str, gate: Gate) -> _Compared:
    """The baseline of a gate; what the file alone tells doesn't depend on how a model was run."""
    if gate.against is None or compared is None or name not in compared.models:
        return _Compared(None, [])
    model = compared.models[name]
    run = FIGURES[gate.figure].audit != "file"
    return _Compared(model.figures.get(gate.title), model.differences(now.models[name]) if run else [])


def _result(
    plan: CheckPlan,
    number: int,
    gate: Gate,
    name: str,
    reading: Reading | NotEvaluatedError,
    compared: _Compared,
) -> GateResult:
    figure = FIGURES[gate.figure]
    if isinstance(reading, NotEvaluatedError):
        way_out = "give the model what the figure needs, or leave the gate out"
        judged, measured = Judgement("not evaluated", str(reading), way_out), None
    else:
        judged, measured = judge(gate, plan.said.least_inputs, reading, compared.then), reading
    notes = [measured.detail] if measured and measured.detail else []
    if compared.differences:
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
        found=measured.value if measured else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        unit=figure.unit,
        inputs=measured.count if measured else None,
        reason=judged.reason,
        advice=judged.advice,
        notes=tuple(notes),
    )


def _notes(
    plan: CheckPlan, stored: Baseline | None, now: Baseline, *, update_baseline: bool
) -> tuple[str, ...]:
    """What there is to say of the baseline."""
    wanted = [name for _, gate, name in plan.applied() if gate.against is not None]
    if not wanted:
        return ()
    if update_baseline:
        return ("Gates against the baseline compare these models with themselves: it is made of this run.",)
    if stored is None:
        return (f"There is no baseline yet; onnx-ood check --update-baseline writes {plan.said.baseline}.",)
    notes = []
    for name in dict.fromkeys(wanted):
        then, later = stored.models.get(name), now.models[name]
        if then is None:
            notes.append(f"The baseline doesn't know {name}.")
            continue
        same = "the same model file" if then.sha256 == later.sha256 else "another model file"
        differences = then.differences(later)
        otherwise = f", and measured otherwise: {'; '.join(differences)}" if differences else ""
        notes.append(f"{name}: the baseline is of {same}{otherwise}.")
    return tuple(notes)
