"""The result of comparing two results."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.audits.check.result import Outcome
from onnx_ood.results.base import Number, Part


class SettingChange(Part):
    """A setting or fact in which the results differ."""

    name: str
    a: str = Field(description="As text; empty where there is none.")
    b: str


class MetricChange(Part):
    """A figure that both results have."""

    name: str
    a: Number
    b: Number
    change: Number = Field(description="b less a, or for cosine drops log10 of b over a.")
    low: Number = Field(description="Lower end of the 95% interval of the change; null where there is none.")
    high: Number

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the interval excludes no change; None where there is none."""
        if self.low is None or self.high is None:
            return None
        return not self.low <= 0 <= self.high


class InputChange(Part):
    """An input of both results."""

    id: str
    rank_a: float = Field(description="Among the inputs of both, 1 = strangest; equal ones share their mean.")
    rank_b: float
    score_a: Number = Field(description="Of the detector that ranks, or strangeness.")
    score_b: Number
    flagged_a: bool | None
    flagged_b: bool | None
    prediction_a: str | None = Field(description="Label or index of the largest output.")
    prediction_b: str | None


class Agreement(Part):
    """How often the largest output is the same."""

    inputs: int
    share: float
    low: float = Field(description="Lower end of the exact (Clopper-Pearson) 95% interval.")
    high: float


class InputsDiff(Part):
    """The inputs of two scores."""

    both: int
    only_a: int
    only_b: int
    rank_correlation: Number = Field(
        description="Spearman's, of what ranks the inputs of both; null where it isn't defined."
    )
    agreement: Agreement | None = Field(description="Null where the models answer no class.")
    newly_flagged: tuple[str, ...]
    no_longer_flagged: tuple[str, ...]
    changes: tuple[InputChange, ...] = Field(
        description="Inputs of both, those whose rank among them moved most first."
    )


class GateChange(Part):
    """A gate that ends otherwise."""

    model: str
    title: str
    a: Outcome | None = Field(description="Null where the check has no such gate.")
    b: Outcome | None
    reason: str = Field(description="Why it isn't passed in the second, or empty.")


class DiffResult(Part):
    """Result of `onnx-ood diff`."""

    format: Literal["onnx-ood/diff/1"] = Field(default="onnx-ood/diff/1", alias="schema")
    kind: Literal["score", "bench", "sensitivity", "check"]
    a: str = Field(description="The first file.")
    b: str
    settings: tuple[SettingChange, ...] = Field(description="What differs of models, settings, versions.")
    figures: tuple[MetricChange, ...]
    inputs: InputsDiff | None = Field(description="Of scores; null of others.")
    gates: tuple[GateChange, ...] = Field(
        default=(), description="Of checks: gates whose outcome differs, in the order of the second."
    )
    notes: tuple[str, ...]
