"""Result of the preprocess audit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from typing_extensions import override

from onnx_ood._paths import as_path
from onnx_ood._writing import write_text
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.graph import load
from onnx_ood.inputs import Card, parse
from onnx_ood.results.base import Environment, Failure, FailureCount, Number, Part, Result
from onnx_ood.results.provenance import ModelFacts
from onnx_ood.runtime import first_input

# Least number of candidates to list if none is determined.
_MIN_POSSIBLE = 3


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

    @property
    def settled(self) -> bool:
        """True if determined, or if the leading candidates are identical on these photos."""
        return self.verdict == "determined" or (
            len(self.leading) > 1 and all(one.gap.low == one.gap.high == 0 for one in self.leading)
        )


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
    @override
    def failure_counts(self) -> tuple[FailureCount, ...]:
        return (FailureCount(self.failed, len(self.failed), self.photos + len(self.failed)),)

    @property
    def best(self) -> TriedPreprocessing:
        """The first candidate of the last question."""
        return self.questions[-1].candidates[0]

    @property
    def determined(self) -> bool:
        """True if all questions have an answer."""
        return all(question.verdict == "determined" for question in self.questions)

    @property
    def possible(self) -> tuple[TriedPreprocessing, ...]:
        """Candidates that may be right, best first: one if determined, else two or more of the first open question."""
        unsettled = [question for question in self.questions if question.verdict == "undetermined"]
        if not unsettled:
            return (self.best,)
        question = unsettled[0]
        # A first candidate can lead alone and still say too little.
        return question.leading if len(question.leading) > 1 else question.candidates[:_MIN_POSSIBLE]

    def write_card(self, path: str | Path | None = None) -> Path:
        """Write the preprocessing to a model card.

        Args:
            path: The file; None for the one that is read with the model, its name with the suffix .json.

        Returns:
            The file.

        Raises:
            NotEvaluatedError: If the preprocessing is undetermined.
            UsageError: If the file exists.
            OutputError: If it cannot be written.
        """
        if self.status != "measured" or not all(question.settled for question in self.questions):
            raise NotEvaluatedError("no card was written: the preprocessing is undetermined")
        target = check_card(self.model.path) if path is None else check_card(self.model.path, path)
        shape = first_input(load(self.model.path)).shape or ()
        card = Card(
            format=1,
            name=Path(self.model.path).stem,
            made_by="onnx-ood preprocess",
            sha256=self.model.sha256,
            preprocessing=parse(self.best.spec, shape),
        )
        write_text(target, card.to_json())
        return target


def check_card(model: str | Path, path: str | Path | None = None) -> Path:
    """Return the file of a model's card, refused if it exists.

    Args:
        model: Path of the model.
        path: The file; None for the model's name with the suffix .json.

    Raises:
        UsageError: If the file exists.
    """
    target = Path(model).with_suffix(".json") if path is None else as_path(path, "path")
    if os.path.lexists(target):
        raise UsageError(
            f"{target}: exists; a card is read with the model and never overwritten; rename it first"
        )
    return target
