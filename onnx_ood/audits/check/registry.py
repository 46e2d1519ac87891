"""Registry of the metrics of gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from onnx_ood.audits.check.audit_runner import AuditRunner


@dataclass(frozen=True)
class MetricValue:
    """Value of a metric for one model.

    Attributes:
        value: A number, a text or names.
        low: Lower end of the number's 95% confidence interval; None without one.
        high: Upper end of the interval.
        count: Inputs (or trajectories) the value was computed from; None if it depends on none.
        detail: Note for the reader, or empty.
        terms: Names of the terms that its detector combines; empty without several.
    """

    value: float | str | tuple[str, ...]
    low: float | None = None
    high: float | None = None
    count: int | None = None
    detail: str = ""
    terms: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """False for NaN and infinity."""
        return isinstance(self.value, str | tuple) or isfinite(self.value)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Quantity that gates can bound.

    Attributes:
        name: Its id in TOML files, kebab-case.
        meaning: Definition in words.
        audit: Audit that measures it; `"file"` if the model file is enough.
        advice: What to try when a gate on it fails.
        kind: Type of its value: a number, a text or names.
        unit: Unit of the number, or empty.
        lower_limit: Smallest possible number; None without a limit.
        upper_limit: Largest possible number; None without a limit.
        texts: Possible texts; empty for any.
        worse: Direction of deterioration; `"change"` if neither direction is better.
        target: What a gate on it must name; None for nothing.
        takes_set: True if a gate may name an out-of-distribution set.
        needs: Required keys of the model's table.
    """

    name: str
    meaning: str
    audit: Literal["file", "score", "bench", "sensitivity"]
    advice: str
    kind: Literal["number", "text", "names"] = "number"
    unit: str = ""
    lower_limit: float | None = 0
    upper_limit: float | None = None
    texts: tuple[str, ...] = ()
    worse: Literal["larger", "smaller", "change"] = "larger"
    target: Literal["detector", "probe", "trajectories"] | None = None
    takes_set: bool = False
    needs: tuple[str, ...] = ("inputs",)

    @property
    def target_is_id(self) -> bool:
        """True if targets are ids with two spellings, not names of tensors."""
        return self.target in {"detector", "trajectories"}


Measure = Callable[..., MetricValue]
_metrics: dict[str, Metric] = {}
_functions: dict[str, Measure] = {}
METRICS: Mapping[str, Metric] = MappingProxyType(_metrics)
"""Metrics by name, in the order of registration; complete once `onnx_ood.audits.check.metrics` is imported."""


def register_metric(metric: Metric) -> Callable[[Measure], Measure]:
    """Make a function the measurement of a metric.

    Args:
        metric: The metric.

    Returns:
        A decorator. The function takes an `AuditRunner`, then the gate's target if the metric has one, then the gate's
        set (or None) if it takes one. It returns a `MetricValue`, or raises `NotEvaluatedError` for too little data.

    Raises:
        ValueError: If the name is taken.
    """
    if metric.name in _metrics:
        raise ValueError(f"metric {metric.name!r} is registered twice")

    def register(function: Measure) -> Measure:
        _metrics[metric.name], _functions[metric.name] = metric, function
        return function

    return register


def measure(metric: Metric, runner: AuditRunner, target: str | None, set_name: str | None) -> MetricValue:
    """Measure a registered metric.

    Args:
        metric: The metric.
        runner: The audits of a model.
        target: The gate's target, or None.
        set_name: The gate's out-of-distribution set; None for all.

    Raises:
        NotEvaluatedError: If there is too little data.
        OnnxOodError: If the model, or something else the audit needs, cannot be read or run.
    """
    arguments = [target] if metric.target else []
    return _functions[metric.name](runner, *arguments, *([set_name] if metric.takes_set else []))
