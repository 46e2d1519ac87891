"""The result of the preprocessing detective: the JSON is this model, and every report is made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Failure, Number, Part
from onnx_ood.results.facts import ModelFacts


class RunnerUpGap(Part):
    """By how much a candidate is behind the first."""

    value: float
    low: float = Field(description="0.5% of bootstrap resamples of the photos are below.")
    high: float = Field(description="0.5% are above.")


class TriedPreprocessing(Part):
    """One candidate and the evidence for it."""

    name: str
    spec: str = Field(description="What --preprocess takes.")
    description: str
    information: Number = Field(
        description="Nats that the answer about a photo tells about that about slightly changed copies; null if the "
        "model gives no class scores."
    )
    batch_norm: Number = Field(
        description="Distance of the photos' channel statistics from those of training, a logarithm; null if the model "
        "has no BatchNormalization nodes."
    )
    score: float = Field(description="information - batch_norm, of what there is; higher = more ordinary.")
    gap: RunnerUpGap = Field(description="Score of the first less this one's, on the same resamples.")
    leading: bool = Field(description="The first, or behind it by no more than noise.")
    confidence: Number = Field(description="Mean probability of the likeliest class.")
    agreement: Number = Field(description="Share of copies that get the photo's answer.")
    answers: Number = Field(
        description="Effective number of answers that photos get: exp of the entropy of the mean probabilities."
    )


class Question(Part):
    """One thing to find out, and what was tried."""

    asks: Literal["values", "resize"]
    verdict: Literal["determined", "undetermined"]
    reason: str = Field(description="Why it can't be told, or empty.")
    candidates: tuple[TriedPreprocessing, ...] = Field(description="The most ordinary first.")

    @property
    def leading(self) -> tuple[TriedPreprocessing, ...]:
        """The first and what can't be told from it."""
        return tuple(one for one in self.candidates if one.leading)


class PreprocessResult(Part):
    """Result of `onnx-ood preprocess`."""

    format: Literal["onnx-ood/preprocess/1"] = Field(default="onnx-ood/preprocess/1", alias="schema")
    status: Literal["measured", "not_evaluated"] = Field(
        description="Not evaluated with fewer than 10 photos."
    )
    model: ModelFacts
    provider: str
    seed: int
    resamples: int
    environment: Environment
    photos: int
    failed: tuple[Failure, ...]
    questions: tuple[Question, ...] = Field(
        description="Values (range, mean, deviation, order of channels) first; then resizing, with the first values."
    )

    @property
    def best(self) -> TriedPreprocessing:
        """The first candidate of the last question."""
        return self.questions[-1].candidates[0]

    @property
    def determined(self) -> bool:
        """True if all questions have an answer."""
        return all(question.verdict == "determined" for question in self.questions)
