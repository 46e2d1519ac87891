"""The result of a check: the JSON is this model, and every other output is made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Number, Part
from onnx_ood.results.facts import ModelFacts

Outcome = Literal["error", "failed", "not evaluated", "passed"]
"""How a gate ends: `error` where its model, or another that it needs, could not be read or run."""
EXIT_CODES: dict[Outcome, int] = {"error": 2, "failed": 1, "not evaluated": 3, "passed": 0}
"""How a check ends by its status, what outweighs the others first."""


class GateResult(Part):
    """What came of one gate on one model."""

    model: str
    title: str = Field(description="The figure, with what it is about.")
    figure: str
    of: str | None
    set: str | None
    line: int = Field(description="Where the gate stands in the file.")
    outcome: Outcome
    expected: str = Field(description="The bounds, in words.")
    found: float | str | tuple[str, ...] | None = Field(description="The figure; null where there is none.")
    low: Number = Field(description="Lower end of its 95% confidence interval; null where it has none.")
    high: Number
    unit: str = Field(description="Of the figure, or empty.")
    inputs: int | None = Field(
        description="From how many inputs (or trajectories) it is; null where none are involved, or there is no figure."
    )
    reason: str = Field(description="Why it isn't passed, or empty.")
    advice: str = Field(description="What to try, or empty.")
    notes: tuple[str, ...] = Field(description="What a reader should know of the figure.")

    @property
    def shown(self) -> str:
        """The figure as people read it."""
        if self.found is None:
            return "-"
        if isinstance(self.found, tuple):
            return f"{len(self.found)} kinds"
        return show(self.found)

    @property
    def interval(self) -> str:
        """Its interval as people read it, or empty."""
        return "" if self.low is None or self.high is None else f"{show(self.low)} to {show(self.high)}"


class CheckedModelResult(Part):
    """A model that was checked."""

    name: str
    path: str
    model: ModelFacts | None = Field(description="Null where the file can't be read.")
    external_data: dict[str, str] = Field(
        description="SHA-256 of each file of weights beside the model's, by its path from the model's folder."
    )
    provider: str | None = Field(description="Where it ran; null where no audit ran it.")
    tf32: bool
    notes: tuple[str, ...] = Field(
        description="What the audits that ran say for their results to be believed."
    )


class CheckResult(Part):
    """Whether models pass the gates of a file."""

    format: Literal["onnx-ood/check/2"] = Field(default="onnx-ood/check/2", alias="schema")
    status: Outcome = Field(
        description="`error` if a gate ended in one, else `failed` if one failed, else `not evaluated` if one was not, "
        "else `passed`."
    )
    file: str = Field(description="The file that names models and gates.")
    baseline: str | None = Field(description="The file of the baseline; null where none is named.")
    environment: Environment
    passed: int
    failed: int
    not_evaluated: int
    errors: int
    models: tuple[CheckedModelResult, ...]
    gates: tuple[GateResult, ...] = Field(
        description="Errors first, then what failed, then what was not evaluated; in the order of the file."
    )
    notes: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What was in the way of gates that ended in an error, each once."""
        return tuple(
            dict.fromkeys(f"{gate.model}: {gate.reason}" for gate in self.gates if gate.outcome == "error")
        )

    @property
    def summary(self) -> str:
        """How many gates ended how."""
        errors = f"{self.errors} {'error' if self.errors == 1 else 'errors'}, " if self.errors else ""
        return f"{errors}{self.failed} failed, {self.not_evaluated} not evaluated, {self.passed} passed"


def show(value: float | str) -> str:
    """A figure as people read it: whole numbers as they are, others with four digits."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"
