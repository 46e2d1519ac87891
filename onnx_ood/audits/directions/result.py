"""The result of the direction audit: the JSON is this model, and every report is made from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Failure, Number, Part
from onnx_ood.results.provenance import ModelFacts

Verdict = Literal["holds", "flips", "inconclusive"]
FactorName = Literal["set", "layer", "scale", "noise", "copies"]


class Counts(Part):
    """In how many settings the published direction does what."""

    holds: int = Field(description="The interval of the AUROC lies above 0.5.")
    flips: int = Field(description="It lies below 0.5.")
    inconclusive: int = Field(description="It contains 0.5.")

    @property
    def settings(self) -> int:
        """All of them."""
        return self.holds + self.flips + self.inconclusive


class Direction(Part):
    """One set in one setting: how well "a smaller cosine drop is out-of-distribution" tells it."""

    layer: str
    scale: float
    noise: str
    copies: int
    auroc: float
    low: float = Field(description="Lower end of the 95% interval, Newcombe's method 5.")
    high: float
    verdict: Verdict


class Level(Part):
    """One level of a factor, over all else that was swept."""

    level: str
    auroc: float = Field(description="Mean AUROC.")
    counts: Counts


class Factor(Part):
    """What was swept, and how much it matters."""

    name: FactorName
    share: float = Field(
        description="Share of the variance of the AUROC over all sets and settings that its main effect explains."
    )
    within: Number = Field(
        description="The same for each set by itself, together: share of the variance within sets. Null for the set."
    )
    levels: tuple[Level, ...]


class SetDirections(Part):
    """One out-of-distribution set."""

    name: str
    inputs: int
    synthetic: bool = Field(description="Made by the audit: noise, or the ordinary pictures altered.")
    failed: tuple[Failure, ...]
    counts: Counts
    auroc_low: float = Field(description="Smallest AUROC of a setting.")
    auroc_high: float = Field(description="Largest.")
    shares: dict[str, float] = Field(
        description="Share of the variance of this set's AUROC by factor: main effects of an analysis of variance."
    )
    settings: tuple[Direction, ...] = Field(description="By layer, then scale, noise and copies.")


class SweptLayer(Part):
    """A probe."""

    name: str
    op: str
    depth: int = Field(description="Nodes on the longest path from a model input.")
    noise_floor: float = Field(
        description="Cosine drop that float rounding alone can make here; smaller drops count as this."
    )


class DirectionsResult(Part):
    """Result of `onnx-ood bench --directions`."""

    format: Literal["onnx-ood/directions/1"] = Field(default="onnx-ood/directions/1", alias="schema")
    status: Literal["measured", "not_evaluated"] = Field(
        description="`not_evaluated` if there are fewer than 10 ordinary inputs, or fewer of a set."
    )
    model: ModelFacts
    preprocessing: str | None = Field(
        description="How pictures become tensors, and who said so; null if nothing was."
    )
    limit: int | None = Field(
        default=None, description="Inputs of a set that were measured at most; null for all."
    )
    provider: str
    seed: int
    environment: Environment
    site: str = Field(description="The tensor that was nudged.")
    space: Literal["pixel", "tensor"] = Field(
        description="Where nudges are added: before or after normalisation."
    )
    scales: tuple[float, ...] = Field(description="Standard deviations of nudges in that space.")
    noises: tuple[str, ...]
    copies: tuple[int, ...]
    layers: tuple[SweptLayer, ...]
    skipped: dict[str, str] = Field(description="Selected tensors that can't be measured, with the reason.")
    id: int = Field(description="Ordinary inputs that were measured.")
    failed: tuple[Failure, ...] = Field(description="Ordinary inputs that weren't.")
    counts: Counts = Field(description="Over all settings of all sets.")
    factors: tuple[Factor, ...] = Field(
        description="What matters: the set, and then what was swept, what matters most within sets first."
    )
    sets: tuple[SetDirections, ...]
    conclusion: str = Field(description="What was found, as a sentence.")
    notes: tuple[str, ...] = ()
