"""Differences between two checks: outcomes of gates, metrics and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnx_ood.audits.check.result import CheckResult, GateResult
from onnx_ood.audits.diff.metric_changes import change_with_interval, change_without_interval
from onnx_ood.audits.diff.result import GateChange, MetricChange
from onnx_ood.detectors import differing_terms

_Gates = dict[tuple[str, str], GateResult]


def changed_gates(a: CheckResult, b: CheckResult) -> tuple[GateChange, ...]:
    """Gates with a different outcome, and gates of one check only.

    Args:
        a: The first check.
        b: The second check.
    """
    before, after = _gates(a), _gates(b)
    pairs = {key: (before.get(key), after.get(key)) for key in [*after, *before]}
    return tuple(
        GateChange(
            model=model,
            title=title,
            a=one.outcome if one else None,
            b=other.outcome if other else None,
            reason=other.reason if other else "",
        )
        for (model, title), (one, other) in pairs.items()
        if one is None or other is None or one.outcome != other.outcome
    )


def shared_gates(a: CheckResult, b: CheckResult) -> list[tuple[GateResult, GateResult]]:
    """Pair the gates of both checks by model and title.

    Args:
        a: The first check.
        b: The second check.
    """
    before, after = _gates(a), _gates(b)
    return [(before[key], after[key]) for key in sorted(before.keys() & after.keys())]


def metrics_of_checks(a: CheckResult, b: CheckResult) -> Iterator[MetricChange]:
    """Compare the metrics of both checks.

    Args:
        a: The first check.
        b: The second check.
    """
    for one, other in shared_gates(a, b):
        if not isinstance(one.found, float) or not isinstance(other.found, float):
            continue
        if _lacks_interval(one) or _lacks_interval(other):
            yield change_without_interval(_name(one), one.found, other.found)
        else:
            yield change_with_interval(
                _name(one), (one.found, one.low, one.high), (other.found, other.low, other.high)
            )


def notes_of_checks(a: CheckResult, b: CheckResult) -> tuple[str, ...]:
    """Note gates whose detector combines other terms.

    Args:
        a: The first check.
        b: The second check.
    """
    return tuple(
        f"{_name(one)}: values of another detector: {differing}."
        for one, other in shared_gates(a, b)
        if (differing := differing_terms(one.terms, other.terms))
    )


def facts_of_check(result: CheckResult, other: CheckResult) -> Mapping[str, Any]:
    """Collect the settings of a check and its values that are not numbers.

    Args:
        result: The check.
        other: The check to compare it with; facts of gates in only one of them are left out.
    """
    shared = [one for one, _ in shared_gates(result, other)]
    models = {
        one.name: {
            **(one.model.model_dump(mode="json") if one.model else {}),
            **one.model_dump(mode="json", include={"external_data", "settings", "provider", "tf32"}),
        }
        for one in result.models
    }
    return {
        "models": models,
        "environment": result.environment.model_dump(mode="json"),
        "expected": {_name(one): one.expected for one in shared},
        "found": {_name(one): _text(one.found) for one in shared if isinstance(one.found, str | tuple)},
    }


def _gates(result: CheckResult) -> _Gates:
    return {(gate.model, gate.title): gate for gate in result.gates}


def _name(gate: GateResult) -> str:
    return f"{gate.title}, {gate.model}"


def _lacks_interval(gate: GateResult) -> bool:
    """Return whether a value is computed from inputs, and hence noisy, but has no interval."""
    return gate.inputs is not None and None in (gate.low, gate.high)


def _text(found: str | tuple[str, ...]) -> str:
    return found if isinstance(found, str) else ", ".join(found)
