"""Result of the preprocess audit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Failure, Number, Part, Result
from onnx_ood.results.provenance import ModelFacts


class RunnerUpGap(Part):
    """Score of the first candidate less that of another."""

    value: float
    low: float = Field(description="Quantile 0.005 over bootstrap resamples of the photos.")
    high: float = Field(description="Quantile 0.995.")


class TriedPreprocessing(Part):
    """A candidate and its score."""

    name: str
    spec: str = Field(description="Value of the setting preprocess.")
    description: str
    information: Number = Field(
        description="Lower bound in nats of the mutual information between predictions for a photo and for mild "
        "augmentations; null if the model gives no class scores."
    )
    batch_norm: Number = Field(
        description="Log distance of the photos' channel statistics from running statistics; null if the model has no "
        "BatchNormalization nodes."
    )
    score: float = Field(description="information - batch_norm, as far as known; higher is better.")
    gap: RunnerUpGap = Field(description="Score of the first less this score, on the same resamples.")
    leading: bool = Field(description="True for the first and for candidates within noise of it.")
    confidence: Number = Field(description="Mean probability of the predicted class.")
    agreement: Number = Field(description="Share of augmentations with the photo's prediction.")
    answers: Number = Field(
        description="Effective number of predicted classes: exp of the entropy of the mean probabilities."
    )


class Question(Part):
    """A question and its candidates."""

    asks: Literal["values", "resize"]
    verdict: Literal["determined", "undetermined"]
    reason: str = Field(description="Reason for undetermined, or empty.")
    candidates: tuple[TriedPreprocessing, ...] = Field(min_length=1, description="Best first.")

    @property
    def leading(self) -> tuple[TriedPreprocessing, ...]:
        """The first candidate and those within noise of it."""
        return tuple(one for one in self.candidates if one.leading)


class PreprocessResult(Result):
    """Result of `onnx-ood preprocess`."""

    format: Literal["onnx-ood/preprocess/2"] = Field(default="onnx-ood/preprocess/2", alias="schema")
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
        min_length=1,
        description="Values (range, mean, deviation, order of channels) first; then resizing, with the first values.",
    )

    @property
    def best(self) -> TriedPreprocessing:
        """The first candidate of the last question."""
        return self.questions[-1].candidates[0]

    @property
    def determined(self) -> bool:
        """True if all questions have an answer."""
        return all(question.verdict == "determined" for question in self.questions)
