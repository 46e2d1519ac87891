"""Evaluation of gates: a metric's value against the bounds."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from onnx_ood.audits.check.baseline import BaselineMetric
from onnx_ood.audits.check.config import Gate
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.registry import Metric, MetricValue
from onnx_ood.audits.check.result import Outcome, format_value
from onnx_ood.metrics.estimates import difference_limit


class Evaluation(NamedTuple):
    """Outcome of a gate.

    Attributes:
        outcome: How the gate ended.
        reason: Why it is not passed, or empty.
        advice: What to try, or empty.
    """

    outcome: Outcome
    reason: str = ""
    advice: str = ""


def expected(gate: Gate, then: BaselineMetric | None) -> str:
    """Write the bounds of a gate in words.

    Args:
        gate: The gate.
        then: The metric in the baseline, or None.
    """
    parts = []
    if gate.min is not None:
        parts.append(f"at least {format_value(gate.min)}")
    if gate.max is not None:
        parts.append(f"at most {format_value(gate.max)}")
    if gate.equals is not None:
        parts.append(format_value(gate.equals))
    if gate.forbid:
        parts.append(f"none of {', '.join(gate.forbid)}")
    if gate.baseline:
        metric = METRICS[gate.metric]
        base = "the baseline" if then is None else f"the baseline's {format_value(then.value)}"
        if metric.worse == "change":
            noise = "noise" if gate.tolerance is None else format_value(gate.tolerance)
            parts.append(f"same as {base}" + ("" if metric.kind == "text" else f" within {noise}"))
        else:
            noise = (
                "beyond noise" if gate.tolerance is None else f"by more than {format_value(gate.tolerance)}"
            )
            parts.append(f"not {'above' if metric.worse == 'larger' else 'below'} {base} {noise}")
    return " and ".join(parts)


def evaluate(gate: Gate, min_inputs: int, measured: MetricValue, then: BaselineMetric | None) -> Evaluation:
    """Compare a metric's value with a gate's bounds.

    Args:
        gate: The gate.
        min_inputs: Fewest inputs for it to be evaluated, unless the gate says otherwise.
        measured: The metric's value.
        then: The metric in the baseline, or None.

    Returns:
        Failed if one bound is broken; not evaluated if no bound is broken and one cannot be evaluated.
    """
    metric = METRICS[gate.metric]
    if (insufficient := insufficient_data(gate, min_inputs, measured)) is not None:
        return insufficient
    broken = _broken_bounds(gate, measured)
    compared = _compare(gate, metric, measured, then) if gate.baseline else Evaluation("passed")
    if compared.outcome == "failed":
        broken.append(compared.reason)
    return Evaluation("failed", "; ".join(broken), metric.advice) if broken else compared


def insufficient_data(gate: Gate, min_inputs: int, measured: MetricValue) -> Evaluation | None:
    """Check that a metric's value can be compared with anything.

    Args:
        gate: The gate.
        min_inputs: Fewest inputs for it to be evaluated, unless the gate says otherwise.
        measured: The metric's value.

    Returns:
        None if it can be compared; else the outcome, not evaluated.
    """
    metric = METRICS[gate.metric]
    required = gate.min_inputs or min_inputs
    if measured.count is not None and measured.count < required:
        one, several = (
            ("trajectory", "trajectories") if metric.target == "trajectories" else ("input", "inputs")
        )
        return Evaluation(
            "not_evaluated",
            f"{measured.count} {one if measured.count == 1 else several}, at least {required} needed",
            f"give more {several}, or lower min-inputs",
        )
    if not measured.known:
        return Evaluation("not_evaluated", "the value is not finite", metric.advice)
    return None


def _broken_bounds(gate: Gate, measured: MetricValue) -> list[str]:
    value, broken = measured.value, []
    if isinstance(value, tuple):
        # Operators of the standard domain are listed without it, but may be named with it.
        patterns = [pattern.removeprefix("ai.onnx::") for pattern in gate.forbid]
        hits = [name for name in value if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return [f"found {', '.join(hits)}"] if hits else []
    if gate.equals is not None and value != gate.equals:
        broken.append(f"{format_value(value)} is not {format_value(gate.equals)}")
    if isinstance(value, str):
        return broken
    if gate.min is not None and value < gate.min:
        broken.append(f"{format_value(value)} is below {format_value(gate.min)}")
    if gate.max is not None and value > gate.max:
        broken.append(f"{format_value(value)} is above {format_value(gate.max)}")
    return broken


def _compare(gate: Gate, metric: Metric, measured: MetricValue, then: BaselineMetric | None) -> Evaluation:
    """Compare a value with the baseline's."""
    if then is None:
        return Evaluation(
            "not_evaluated",
            "the baseline has no such metric",
            "write the baseline with onnx-ood check --update-baseline",
        )
    if gate.tolerance is None and (which := _without_interval(measured, then)):
        return Evaluation(
            "not_evaluated",
            f"{which} has no 95% interval, so its noise is unknown",
            "give more inputs, or a tolerance",
        )
    worse = _worse(gate, metric, measured, then)
    return Evaluation("failed", worse, metric.advice) if worse else Evaluation("passed")


def _without_interval(measured: MetricValue, then: BaselineMetric) -> str:
    """Name a value computed from too few inputs for an interval, or empty."""
    if measured.count is not None and None in (measured.low, measured.high):
        return f"the value of {measured.count} inputs"
    if then.inputs is not None and None in (then.low, then.high):
        return f"the baseline's value of {then.inputs} inputs"
    return ""


def _worse(gate: Gate, metric: Metric, measured: MetricValue, then: BaselineMetric) -> str:
    """Describe the change if a value is worse than the baseline's; empty otherwise."""
    now, before = measured.value, then.value
    if isinstance(now, str) or isinstance(before, str) or isinstance(now, tuple):
        return f"{now}, in the baseline {before}" if now != before else ""
    if gate.tolerance is not None:
        max_rise = max_fall = gate.tolerance
    else:
        max_rise = difference_limit(now, measured.low, before, then.high)
        max_fall = difference_limit(now, measured.high, before, then.low)
    for worse, change, limit, side in (
        ("larger", now - before, max_rise, "above"),
        ("smaller", before - now, max_fall, "below"),
    ):
        if metric.worse in {worse, "change"} and change > limit:
            return (
                f"{format_value(now)} is {format_value(change)} {side} the baseline's {format_value(before)}, "
                f"more than {format_value(limit)}"
            )
    return ""
