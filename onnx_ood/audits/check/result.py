"""Result of the check audit: the JSON is this model, and all other outputs are made from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from typing_extensions import override

from onnx_ood.results.base import Environment, Failure, FailureCount, Number, Part, Result, dataframe
from onnx_ood.results.provenance import ModelFacts

Outcome = Literal["error", "failed", "not_evaluated", "passed"]
"""Outcome of a gate; `error` if a required model cannot be read or run."""
EXIT_CODES: dict[Outcome, int] = {"error": 2, "failed": 1, "not_evaluated": 3, "passed": 0}
"""Exit code of a check by its status, in order of precedence."""


class GateResult(Part):
    """Result of one gate for one model."""

    model: str
    title: str = Field(description="The metric with its target and set.")
    metric: str
    target: str | None = Field(
        description="Detector, probe or type of trajectories; null for metrics of the whole model."
    )
    set: str | None = Field(description="Out-of-distribution set; null for all sets or none.")
    line: int = Field(description="Line of the gate in the file.")
    outcome: Outcome
    expected: str = Field(description="The bounds, in words.")
    found: float | str | tuple[str, ...] | None = Field(
        description="Value of the metric; null if it could not be measured."
    )
    low: Number = Field(description="Lower end of the value's 95% confidence interval; null without one.")
    high: Number
    unit: str = Field(description="Unit of the value, or empty.")
    inputs: int | None = Field(
        description="Inputs (or trajectories) the value was computed from; null if it depends on none, or was not "
        "measured."
    )
    terms: tuple[str, ...] = Field(
        default=(), description="Names of the terms that the detector combines; empty without several."
    )
    min_inputs: int = Field(description="Fewest inputs (or trajectories) for the gate to be evaluated.")
    reason: str = Field(description="Reason why the gate is not passed, or empty.")
    advice: str = Field(description="Advice, or empty.")
    notes: tuple[str, ...] = Field(description="Notes on the value.")

    @property
    def shown(self) -> str:
        """The value as text."""
        if self.found is None:
            return "-"
        if isinstance(self.found, tuple):
            return f"{len(self.found)} types"
        return format_value(self.found)

    @property
    def interval(self) -> str:
        """The interval as text, or empty."""
        if self.low is None or self.high is None:
            return ""
        return f"{format_value(self.low)} to {format_value(self.high)}"


class CheckedModelResult(Part):
    """A checked model."""

    name: str
    path: str
    model: ModelFacts | None = Field(description="Null if the file cannot be read.")
    external_data: dict[str, str] = Field(
        description="SHA-256 of each file of external weights, by its path relative to the model's folder."
    )
    settings: dict[str, Any] = Field(
        description="The model's settings, defaults included; paths are relative to the file of gates."
    )
    provider: str | None = Field(description="Execution provider; null if no audit ran the model.")
    tf32: bool
    notes: tuple[str, ...] = Field(description="Notes of the audits that ran.")
    failed: tuple[Failure, ...] = Field(
        default=(), description="Inputs and references that an audit could not measure."
    )


class CheckResult(Result):
    """Result of `onnx-ood check`."""

    format: Literal["onnx-ood/check/3"] = Field(default="onnx-ood/check/3", alias="schema")
    status: Outcome = Field(
        description="The first of `error`, `failed`, `not_evaluated` and `passed` that is the outcome of a gate."
    )
    file: str = Field(description="The file of gates.")
    baseline: str | None = Field(description="The baseline file; null if the file of gates names none.")
    environment: Environment
    passed: int
    failed: int
    not_evaluated: int
    errors: int
    models: tuple[CheckedModelResult, ...]
    gates: tuple[GateResult, ...] = Field(
        description="Errors first, then failed, not evaluated and passed gates; each in the order of the file."
    )
    notes: tuple[str, ...]

    @property
    @override
    def failure_counts(self) -> tuple[FailureCount, ...]:
        return tuple(FailureCount(one.failed, len(one.failed), None, one.name) for one in self.models)

    @property
    def problems(self) -> tuple[str, ...]:
        """Distinct reasons of the gates that ended in an error."""
        return tuple(
            dict.fromkeys(f"{gate.model}: {gate.reason}" for gate in self.gates if gate.outcome == "error")
        )

    @property
    def summary(self) -> str:
        """Numbers of gates by outcome, as text."""
        errors = f"{self.errors} {'error' if self.errors == 1 else 'errors'}, " if self.errors else ""
        return f"{errors}{self.failed} failed, {self.not_evaluated} not evaluated, {self.passed} passed"

    def to_dataframe(self) -> Any:
        """Return the gates as a pandas DataFrame: one row per gate, with the fields of `GateResult`.

        Raises:
            UsageError: If pandas is not installed.
        """
        return dataframe(gate.model_dump() for gate in self.gates)


def format_value(value: float | str) -> str:
    """Format a metric's value: whole numbers in full, others with four digits.

    >>> format_value(287928.0), format_value(0.123456), format_value("cpu")
    ('287,928', '0.1235', 'cpu')
    """
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"
