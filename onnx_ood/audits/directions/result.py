"""Result of the directions audit: the schema of its JSON, and the source of every report."""

from __future__ import annotations

from itertools import product
from typing import Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from onnx_ood.audits.directions.settings import DirectionsSettings
from onnx_ood.results.base import Environment, Failure, FailureCount, Number, Part, Result
from onnx_ood.results.provenance import ModelFacts

Verdict = Literal["holds", "flips", "inconclusive"]
FactorName = Literal["set", "layer", "scale", "noise", "copies"]


class Counts(Part):
    """Numbers of combinations by what the published direction does."""

    holds: int = Field(description="The interval of the AUROC lies above 0.5.")
    flips: int = Field(description="It lies below 0.5.")
    inconclusive: int = Field(description="It contains 0.5.")

    @property
    def settings(self) -> int:
        """Number of all combinations."""
        return self.holds + self.flips + self.inconclusive


class Direction(Part):
    """AUROC of "a smaller cosine drop is out-of-distribution" for one set and combination."""

    layer: str
    scale: float
    noise: str
    copies: int
    auroc: float
    low: float = Field(description="Lower end of the 95% interval, Newcombe's method 5.")
    high: float
    verdict: Verdict


class Level(Part):
    """One level of a factor, over all levels of the others."""

    level: str
    auroc: float = Field(description="Mean AUROC.")
    counts: Counts


class Factor(Part):
    """One swept factor and its weight."""

    name: FactorName
    share: float = Field(
        description="Share of the variance of the AUROC over all sets and combinations explained by its main effect."
    )
    within: Number = Field(
        description="Share of the variance within sets, pooled over sets. Null for the set."
    )
    levels: tuple[Level, ...]


class SetDirections(Part):
    """One out-of-distribution set."""

    name: str
    inputs: int
    synthetic: bool = Field(description="Made by the audit: noise, or altered in-distribution pictures.")
    failed: tuple[Failure, ...]
    counts: Counts
    auroc_low: float = Field(description="Smallest AUROC of a combination.")
    auroc_high: float = Field(description="Largest AUROC of a combination.")
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
        description="Cosine drop that float rounding alone can make at this probe; smaller drops count as this."
    )


class DirectionsResult(Result):
    """Result of `onnx-ood directions`."""

    format: Literal["onnx-ood/directions/2"] = Field(default="onnx-ood/directions/2", alias="schema")
    status: Literal["measured", "not_evaluated"] = Field(
        description="`not_evaluated` if there are fewer than 10 in-distribution inputs, or fewer of a set."
    )
    settings: DirectionsSettings = Field(description="Settings of the run, as the user gave them.")
    model: ModelFacts
    preprocessing: str | None = Field(
        description="Preprocessing of pictures and its source; null without pictures."
    )
    limit: int | None = Field(default=None, description="Maximum number of inputs of a set; null for all.")
    provider: str
    seed: int
    environment: Environment
    site: str = Field(description="Tensor that was nudged.")
    feeds: dict[str, str] = Field(
        description="Values of the model's other inputs by name: a shared value as `--feed` takes it, or `.npz` for "
        "values that came with each input."
    )
    space: Literal["pixel", "tensor", "feature"] = Field(
        description="Space that nudges are added in: before or after normalisation, or in spreads of features."
    )
    scales: tuple[float, ...] = Field(description="Standard deviations of nudges in that space.")
    noises: tuple[str, ...]
    copies: tuple[int, ...]
    layers: tuple[SweptLayer, ...]
    skipped: dict[str, str] = Field(description="Selected tensors that cannot be measured, with the reason.")
    id: int = Field(description="Number of measured in-distribution inputs.")
    failed: tuple[Failure, ...] = Field(description="In-distribution inputs that could not be measured.")
    counts: Counts = Field(description="Counts over all combinations of all sets.")
    factors: tuple[Factor, ...] = Field(
        description="The set, then the swept factors by their share of the variance within sets, the largest first."
    )
    sets: tuple[SetDirections, ...]
    conclusion: str = Field(description="Conclusion in sentences.")
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        layers = [one.name for one in self.layers]
        swept = set(product(layers, self.scales, self.noises, self.copies))
        for one in self.sets:
            found = {(at.layer, at.scale, at.noise, at.copies) for at in one.settings}
            if found != swept or len(set(layers)) != len(layers):
                raise ValueError(f"the settings of the set {one.name} are not those that were swept")
        return self

    @property
    @override
    def failure_counts(self) -> tuple[FailureCount, ...]:
        failed = [*self.failed, *(failure for one in self.sets for failure in one.failed)]
        measured = self.id + sum(one.inputs for one in self.sets if not one.synthetic)
        return (FailureCount(failed, len(failed), measured + len(failed)),)
