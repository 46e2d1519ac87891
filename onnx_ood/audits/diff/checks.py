"""What differs between two checks: gates that end otherwise, their figures, and what they were told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnx_ood.audits.check.result import CheckResult, GateResult
from onnx_ood.audits.diff.metrics import apart, change_alone
from onnx_ood.audits.diff.result import GateChange, MetricChange

_Gates = dict[tuple[str, str], GateResult]


def gates_that_end_otherwise(a: CheckResult, b: CheckResult) -> tuple[GateChange, ...]:
    """Gates of one outcome in the first and of another in the second, or that one of them doesn't have.

    Args:
        a: A check.
        b: Another.
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


def figures_of_gates(a: CheckResult, b: CheckResult) -> Iterator[MetricChange]:
    """Changes of the numbers that both checks found.

    Args:
        a: A check.
        b: Another.
    """
    for one, other in _shared(a, b):
        if not isinstance(one.found, float) or not isinstance(other.found, float):
            continue
        if _noise_unknown(one) or _noise_unknown(other):
            yield change_alone(_name(one), one.found, other.found)
        else:
            yield apart(_name(one), (one.found, one.low, one.high), (other.found, other.low, other.high))


def facts_of_check(result: CheckResult, other: CheckResult) -> Mapping[str, Any]:
    """What a check was told, and what it found that is no number.

    Args:
        result: The check.
        other: The one that it is compared with: what only one of them has is no fact to compare.
    """
    shared = [one for one, _ in _shared(result, other)]
    models = {
        one.name: {
            **(one.model.model_dump(mode="json") if one.model else {}),
            "external_data": one.external_data,
        }
        | {"provider": one.provider, "tf32": one.tf32}
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


def _shared(a: CheckResult, b: CheckResult) -> Iterator[tuple[GateResult, GateResult]]:
    before, after = _gates(a), _gates(b)
    for key in sorted(before.keys() & after.keys()):
        yield before[key], after[key]


def _name(gate: GateResult) -> str:
    return f"{gate.title}, {gate.model}"


def _noise_unknown(gate: GateResult) -> bool:
    """Whether a figure has noise, being of inputs, and no interval tells how much."""
    return gate.inputs is not None and None in (gate.low, gate.high)


def _text(found: str | tuple[str, ...]) -> str:
    return found if isinstance(found, str) else ", ".join(found)
