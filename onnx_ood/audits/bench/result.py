"""The result of the bench audit: the JSON is this model, and every report is made from it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from onnx_ood.metrics.estimates import percentile_interval
from onnx_ood.results.base import Environment, Failure, Part
from onnx_ood.results.provenance import ModelFacts


class BenchInterval(Part):
    """A figure and where 95% of its bootstrap resamples lie."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: NDArray[np.float64]) -> BenchInterval:
        """The interval of a figure: the sample's, then those of its resamples, [1 + B]."""
        found = percentile_interval(samples)
        return cls(value=found.value, low=found.low, high=found.high)


class BenchSet(Part):
    """One out-of-distribution set."""

    name: str
    inputs: int
    synthetic: bool = Field(description="Made by the audit: noise, or the ordinary pictures altered.")
    failed: tuple[Failure, ...] = ()


class SetMetrics(Part):
    """How well one detector tells one set from the ordinary inputs."""

    set: str
    auroc: BenchInterval
    aupr_in: float = Field(description="Average precision with ordinary inputs as positives.")
    aupr_out: float = Field(description="Average precision with out-of-distribution inputs as positives.")
    fpr95: float = Field(description="Share of the set that passes where 95% of ordinary inputs do.")


class BenchScores(Part):
    """Scores of one detector. What is no number stands as the largest, and infinity as the largest that is finite."""

    id: tuple[float, ...]
    sets: dict[str, tuple[float, ...]]


class BenchDetector(Part):
    """One detector on all sets."""

    name: str
    formula: str
    source: str
    reference: bool = Field(description="Learns from the reference inputs.")
    macro: BenchInterval = Field(description="Mean AUROC over sets.")
    gap_to_best: BenchInterval = Field(
        description="Mean AUROC of the best detector less this one's, on the same resamples; 0 for the best."
    )
    metrics: tuple[SetMetrics, ...]
    scores: BenchScores | None = Field(default=None, description="None where they weren't asked for.")

    @property
    def worst(self) -> SetMetrics:
        """The set that it tells worst."""
        return min(self.metrics, key=lambda one: one.auroc.value)


class BenchFlags(Part):
    """What is flagged as unlike the references, at a false-positive rate that was chosen."""

    fpr: float = Field(description="Probability at most, that an input like the references is flagged.")
    id: BenchInterval = Field(
        description="Share of the ordinary inputs that is flagged, and its exact (Clopper-Pearson) 95% interval, "
        "as if flags didn't share the luck of one set of references."
    )
    sets: dict[str, float] = Field(description="Share of each set that is flagged.")


class CorruptionCurve(Part):
    """How well one detector tells pictures of one corruption from the same pictures as they are."""

    corruption: str
    aurocs: tuple[BenchInterval, ...] = Field(description="At each severity, from 1 on.")


class CorruptionMetrics(Part):
    """One detector on all corruptions."""

    detector: str
    mean: BenchInterval = Field(description="Mean AUROC over kinds and severities.")
    severities: tuple[BenchInterval, ...] = Field(
        description="Mean AUROC over kinds at each severity, from 1 on."
    )
    curves: tuple[CorruptionCurve, ...] = Field(description="One a kind, in the order of `kinds`.")


class BenchCorruptions(Part):
    """How well detectors tell corrupted pictures. Resamples draw a picture together with all that was made of it."""

    inputs: int = Field(description="Ordinary pictures, each of which was corrupted in all ways.")
    corruptions: tuple[str, ...]
    left_out: dict[str, str] = Field(description="Kinds that the model's pictures can't take, and why.")
    detectors: tuple[CorruptionMetrics, ...] = Field(description="The best first.")
    notes: tuple[str, ...] = ()


class BenchCache(Part):
    """How much earlier runs had measured. Inputs count each time they are wanted, altered and made ones too."""

    found: int = Field(description="Inputs of which all was in the cache.")
    measured: int = Field(description="Inputs that the model was run for.")


class BenchResult(Part):
    """Result of `onnx-ood bench`."""

    format: Literal["onnx-ood/bench/1"] = Field(default="onnx-ood/bench/1", alias="schema")
    status: Literal["measured", "not_evaluated"]
    model: ModelFacts
    preprocessing: str | None = Field(
        description="How pictures become tensors, and who said so; null if nothing was."
    )
    limit: int | None = Field(
        default=None, description="Inputs of a set that were measured at most; null for all."
    )
    provider: str
    seed: int
    resamples: int
    environment: Environment
    id: int = Field(description="Ordinary inputs that were measured.")
    references: int = Field(description="Inputs that detectors learned from.")
    reference: Literal["given", "bundled", "none"] = Field(
        description="Whether those are known-good inputs that were given, or crops of bundled photos."
    )
    failed: tuple[Failure, ...] = Field(
        description="Ordinary and reference inputs that couldn't be measured."
    )
    sets: tuple[BenchSet, ...]
    detectors: tuple[BenchDetector, ...] = Field(description="The best first.")
    corruptions: BenchCorruptions | None = Field(
        default=None, description="None where they weren't asked for."
    )
    flags: BenchFlags | None = Field(
        description="None without references that were given, or with too few of them for the rate."
    )
    not_applicable: dict[str, str] = Field(description="Detectors that don't apply to this model, and why.")
    cache: BenchCache | None = Field(default=None, description="None without a cache.")
    notes: tuple[str, ...] = ()
