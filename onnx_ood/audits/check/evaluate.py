"""Whether a figure is within a gate's bounds."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from onnx_ood.audits.check.baseline import BaselineMetric
from onnx_ood.audits.check.config import Gate
from onnx_ood.audits.check.metric_values import MetricValue
from onnx_ood.audits.check.metrics import METRICS, Metric
from onnx_ood.audits.check.result import Outcome, show
from onnx_ood.metrics.estimates import difference_limit


class Evaluation(NamedTuple):
    """What came of a gate.

    Attributes:
        outcome: How it ended.
        reason: Why it isn't passed, or empty.
        advice: What to try, or empty.
    """

    outcome: Outcome
    reason: str = ""
    advice: str = ""


def expected(gate: Gate, then: BaselineMetric | None) -> str:
    """The bounds of a gate in words.

    Args:
        gate: The gate.
        then: The figure in the baseline, or None.
    """
    parts = []
    if gate.at_least is not None:
        parts.append(f"at least {show(gate.at_least)}")
    if gate.at_most is not None:
        parts.append(f"at most {show(gate.at_most)}")
    if gate.equals is not None:
        parts.append(show(gate.equals))
    if gate.none_of:
        parts.append(f"none of {', '.join(gate.none_of)}")
    if gate.against is not None:
        figure = METRICS[gate.figure]
        base = "the baseline" if then is None else f"the baseline's {show(then.value)}"
        worse = {"larger": "not above", "smaller": "not below", "change": "as"}[figure.worse]
        leeway = "" if figure.kind == "text" else " beyond noise"
        if gate.tolerance is not None:
            leeway = (
                f" by more than {show(gate.tolerance)}"
                if figure.worse != "change"
                else f" within {show(gate.tolerance)}"
            )
        elif figure.worse == "change" and leeway:
            leeway = " within noise"
        parts.append(f"{worse} {base}{leeway}")
    return " and ".join(parts)


def evaluate(gate: Gate, least_inputs: int, reading: MetricValue, then: BaselineMetric | None) -> Evaluation:
    """Compares a figure with a gate's bounds.

    Args:
        gate: The gate.
        least_inputs: From fewer inputs it is not evaluated.
        reading: The figure.
        then: The same in the baseline, or None.

    Returns:
        Failed if one bound is broken; not evaluated if none is and one can't be told.
    """
    figure = METRICS[gate.figure]
    if (unsure := insufficient_data(gate, least_inputs, reading)) is not None:
        return unsure
    broken = _absolute(gate, reading)
    compared = Evaluation("passed") if gate.against is None else _compare(gate, figure, reading, then)
    if compared.outcome == "failed":
        broken.append(compared.reason)
    return Evaluation("failed", "; ".join(broken), figure.advice) if broken else compared


def insufficient_data(gate: Gate, least_inputs: int, reading: MetricValue) -> Evaluation | None:
    """Why a figure can't be compared with anything.

    Args:
        gate: The gate.
        least_inputs: From fewer inputs it is not evaluated.
        reading: The figure.

    Returns:
        That it is not evaluated; None if it can be compared.
    """
    figure = METRICS[gate.figure]
    least = gate.least_inputs or least_inputs
    if reading.count is not None and reading.count < least:
        one, several = ("trajectory", "trajectories") if figure.of == "trajectories" else ("input", "inputs")
        return Evaluation(
            "not evaluated",
            f"{reading.count} {one if reading.count == 1 else several}, and {least} is the least",
            f"give more {several}, or lower least-inputs",
        )
    if not reading.known:
        return Evaluation("not evaluated", "the figure is no finite number", figure.advice)
    return None


def _absolute(gate: Gate, reading: MetricValue) -> list[str]:
    value, found = reading.value, []
    if isinstance(value, tuple):
        # The standard domain has a name, too, which operators of it are shown without.
        patterns = [pattern.removeprefix("ai.onnx::") for pattern in gate.none_of]
        hits = [name for name in value if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return [f"it has {', '.join(hits)}"] if hits else []
    if gate.equals is not None and value != gate.equals:
        found.append(f"{show(value)} is not {show(gate.equals)}")
    if isinstance(value, str):
        return found
    if gate.at_least is not None and value < gate.at_least:
        found.append(f"{show(value)} is below {show(gate.at_least)}")
    if gate.at_most is not None and value > gate.at_most:
        found.append(f"{show(value)} is above {show(gate.at_most)}")
    return found


def _compare(gate: Gate, figure: Metric, reading: MetricValue, then: BaselineMetric | None) -> Evaluation:
    """Compares a figure with the baseline's."""
    if then is None:
        return Evaluation(
            "not evaluated",
            "there is no such figure in a baseline",
            "write the baseline with onnx-ood check --update-baseline",
        )
    if gate.tolerance is None and (which := _without_noise(reading, then)):
        return Evaluation(
            "not evaluated",
            f"{which} has no 95% interval, so that its noise is not known",
            "give more inputs, or a tolerance",
        )
    worse = _against(gate, figure, reading, then)
    return Evaluation("failed", worse, figure.advice) if worse else Evaluation("passed")


def _without_noise(reading: MetricValue, then: BaselineMetric) -> str:
    """Which of two figures is of too few inputs to tell its noise, or empty."""
    if reading.count is not None and None in (reading.low, reading.high):
        return f"a figure of {reading.count} inputs"
    if then.inputs is not None and None in (then.low, then.high):
        return f"the baseline's, of {then.inputs} inputs,"
    return ""


def _against(gate: Gate, figure: Metric, reading: MetricValue, then: BaselineMetric) -> str:
    """How a figure is worse than the baseline's, or empty."""
    now, before = reading.value, then.value
    if isinstance(now, str) or isinstance(before, str) or isinstance(now, tuple):
        return f"{now} was {before} in the baseline" if now != before else ""
    risen, fallen = now - before, before - now
    if gate.tolerance is not None:
        most_up = most_down = gate.tolerance
    else:
        most_up = difference_limit(now, reading.low, before, then.high)
        most_down = difference_limit(now, reading.high, before, then.low)
    if figure.worse != "smaller" and risen > most_up:
        return f"{show(now)} is {show(risen)} above the baseline's {show(before)}, more than {show(most_up)}"
    if figure.worse != "larger" and fallen > most_down:
        return (
            f"{show(now)} is {show(fallen)} below the baseline's {show(before)}, more than {show(most_down)}"
        )
    return ""
