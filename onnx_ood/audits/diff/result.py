"""Result of the diff audit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from onnx_ood.audits.check.result import Outcome
from onnx_ood.results.base import Number, Part, Result, dataframe

MATCHED = {"score": "inputs", "bench": "detectors", "sensitivity": "models", "check": "gates"}
"""Parts by which results of an audit are matched; without any in common they are not compared."""


class SettingChange(Part):
    """A setting or fact with different values in the two results."""

    name: str
    a: str = Field(description="Value as text; empty if missing.")
    b: str


class MetricChange(Part):
    """A metric of both results."""

    name: str
    a: Number = Field(
        description="Value in the first result: the mean of scores and the geometric mean of cosine drops over the "
        "inputs of both, all others as reported."
    )
    b: Number
    change: Number = Field(
        description="b - a; for cosine drops log10(b / a). Null if the values are not comparable or one is unknown."
    )
    low: Number = Field(description="Lower end of the 95% interval of the change; null without one.")
    high: Number
    not_comparable: str = Field(default="", description="Reason why the values are not comparable, or empty.")

    @property
    def beyond_noise(self) -> bool | None:
        """True if the interval excludes no change; None without an interval, as for values that are not comparable."""
        if self.low is None or self.high is None:
            return None
        return not self.low <= 0 <= self.high


class InputChange(Part):
    """An input of both results."""

    id: str
    rank_a: float = Field(
        description="Rank among the inputs of both results, 1 = most unusual; ties share their mean rank."
    )
    rank_b: float
    score_a: Number = Field(description="Score of the detector that ranks, or the deviation.")
    score_b: Number
    flagged_a: bool | None
    flagged_b: bool | None
    prediction_a: str | None = Field(description="Label or index of the largest output.")
    prediction_b: str | None


class Agreement(Part):
    """Share of inputs with the same predicted class."""

    inputs: int
    share: float
    low: float = Field(description="Lower end of the exact (Clopper-Pearson) 95% interval.")
    high: float


class InputsDiff(Part):
    """Changes of the inputs between two scores."""

    both: int
    only_a: int
    only_b: int
    not_comparable: str = Field(
        default="", description="Reason why ranking scores and ranks are not comparable, or empty."
    )
    rank_correlation: Number = Field(
        description="Spearman's correlation of the ranking scores, over the inputs of both; null if undefined or not "
        "comparable."
    )
    agreement: Agreement | None = Field(description="Null if the models predict no classes.")
    changed_answers: tuple[str, ...] = Field(
        default=(),
        description="Inputs of both results with another predicted class, in the order of the first.",
    )
    newly_flagged: tuple[str, ...]
    no_longer_flagged: tuple[str, ...]
    changes: tuple[InputChange, ...] = Field(
        description="Inputs of both results, those whose rank changed most first; in the order of the first result if "
        "ranks are not comparable."
    )


class GateChange(Part):
    """A gate with a different outcome."""

    model: str
    title: str
    a: Outcome | None = Field(description="Null if the check has no such gate.")
    b: Outcome | None
    reason: str = Field(description="Reason why it is not passed in the second check, or empty.")


class DiffResult(Result):
    """Result of `onnx-ood diff`."""

    format: Literal["onnx-ood/diff/2"] = Field(default="onnx-ood/diff/2", alias="schema")
    audit: Literal["score", "bench", "sensitivity", "check"]
    status: Literal["compared", "not_evaluated"] = Field(
        default="compared", description="`not_evaluated` if the results have nothing in common to compare."
    )
    a: str = Field(description="File of the first result; empty for a result in memory.")
    b: str
    settings: tuple[SettingChange, ...] = Field(description="Changed models, settings and versions.")
    metrics: tuple[MetricChange, ...]
    inputs: InputsDiff | None = Field(
        description="Changes of the inputs; null unless the results are scores."
    )
    gates: tuple[GateChange, ...] = Field(
        default=(), description="Gates with a different outcome, in the order of the second check."
    )
    notes: tuple[str, ...]

    def to_dataframe(self) -> Any:
        """Return the metrics as a pandas DataFrame: one row per metric, with the fields of `MetricChange`.

        Raises:
            UsageError: If pandas is not installed.
        """
        return dataframe({**one.model_dump(), "beyond_noise": one.beyond_noise} for one in self.metrics)
