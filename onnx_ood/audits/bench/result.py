"""Result of the bench audit: the schema of its JSON, and the source of every report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from typing_extensions import override

from onnx_ood import _rendering
from onnx_ood._limits import MIN_SET_SIZE
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.metrics.estimates import percentile_interval
from onnx_ood.results.base import Environment, Failure, FailureCount, Part, Result, check_lengths, dataframe
from onnx_ood.results.provenance import ModelFacts


class BenchInterval(Part):
    """A metric and the interval of 95% of its bootstrap resamples."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: NDArray[np.float64]) -> BenchInterval:
        """Return the interval of a metric from its value and those of B resamples, float64 [1 + B]."""
        found = percentile_interval(samples)
        return cls(value=found.value, low=found.low, high=found.high)


class BenchSet(Part):
    """One out-of-distribution set."""

    name: str
    inputs: int
    synthetic: bool = Field(description="Made by the audit: noise, or altered in-distribution pictures.")
    failed: tuple[Failure, ...] = ()

    @property
    def too_few(self) -> str:
        """Note on a set that is too small to count in means; empty for others."""
        return (
            f"{self.inputs} input{'' if self.inputs == 1 else 's'}: too few"
            if self.inputs < MIN_SET_SIZE
            else ""
        )


class SetMetrics(Part):
    """Metrics of one detector for separating one set from the in-distribution inputs."""

    set: str
    auroc: BenchInterval
    aupr_in: float = Field(description="Average precision with in-distribution inputs as positives.")
    aupr_out: float = Field(description="Average precision with out-of-distribution inputs as positives.")
    fpr95: float = Field(
        description="Share of the set that passes at the threshold that 95% of the in-distribution inputs pass."
    )


class BenchScores(Part):
    """Scores of one detector. NaN counts as the largest score, infinity as the largest finite number."""

    id: tuple[float, ...]
    sets: dict[str, tuple[float, ...]]


class BenchDetector(Part):
    """One detector on all sets."""

    name: str
    formula: str
    source: str
    reference: bool = Field(description="Learns from the reference inputs.")
    terms: tuple[str, ...] = Field(
        default=(), description="Names of the terms that it combines; empty if not several."
    )
    macro: BenchInterval = Field(
        description="Mean AUROC over sets with at least 10 inputs; over all sets if none has so many."
    )
    gap_to_best: BenchInterval = Field(
        description="Mean AUROC of the best detector less this one's, on the same resamples; 0 for the best."
    )
    metrics: tuple[SetMetrics, ...]
    scores: BenchScores | None = Field(default=None, description="None if they were not requested.")


class BenchFlags(Part):
    """Inputs flagged as unlike the references by one detector, at the chosen false-positive rate."""

    detector: str = Field(
        description="Detector that flags, as in `onnx-ood score`: the first named one that can; `auto` if none is "
        "named."
    )
    fpr: float = Field(description="Maximum probability that an input like the references is flagged.")
    id: BenchInterval = Field(
        description="Share of flagged in-distribution inputs with its exact (Clopper-Pearson) 95% interval, "
        "conditional on this set of references."
    )
    sets: dict[str, float] = Field(description="Share of flagged inputs of each set.")


class CorruptionCurve(Part):
    """AUROCs of one detector for pictures with one corruption against the same pictures without."""

    corruption: str
    aurocs: tuple[BenchInterval, ...] = Field(description="At each severity, beginning with 1.")


class CorruptionMetrics(Part):
    """One detector on all corruptions."""

    detector: str
    mean: BenchInterval = Field(description="Mean AUROC over corruptions and severities.")
    severities: tuple[BenchInterval, ...] = Field(
        min_length=1, description="Mean AUROC over corruptions at each severity, beginning with 1."
    )
    curves: tuple[CorruptionCurve, ...] = Field(
        description="One per corruption, in the order of `corruptions`."
    )


class BenchCorruptions(Part):
    """AUROCs of detectors for corrupted pictures. Resamples draw a picture with all its corrupted versions."""

    inputs: int = Field(description="In-distribution pictures, each with all corruptions.")
    corruptions: tuple[str, ...] = Field(min_length=1)
    left_out: dict[str, str] = Field(
        description="Corruptions that do not apply to the pictures, with the reason."
    )
    detectors: tuple[CorruptionMetrics, ...] = Field(min_length=1, description="The best first.")
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for one in self.detectors:
            if tuple(curve.corruption for curve in one.curves) != self.corruptions:
                raise ValueError(f"the curves of {one.detector} are not those of the corruptions")
            aurocs = {f"curve {curve.corruption} of {one.detector}": curve.aurocs for curve in one.curves}
            severities = self.detectors[0].severities
            check_lengths(len(severities), "severities", {one.detector: one.severities, **aurocs})
        return self


class ProtocolSet(Part):
    """One out-of-distribution set of a protocol."""

    name: str
    title: str = Field(description="Name of the data set.")
    group: Literal["near", "far"]
    status: Literal["complete", "partial", "folder", "missing"] = Field(
        description="`complete`: all pictures of the benchmark's list; `partial`: some of them; `folder`: a folder or "
        "file without the benchmark's list; `missing`: nothing found."
    )
    found: int = Field(description="Pictures found, before a limit; a file of several counts once.")
    listed: int | None = Field(description="Pictures of the benchmark's list; null if unknown.")


class ProtocolMetrics(Part):
    """Metrics as OpenOOD v1.5 computes them, of one set or their means over several, with 95% intervals."""

    auroc: BenchInterval
    fpr95: BenchInterval = Field(
        description="Share of in-distribution inputs at or above the threshold that 95% of the out-of-distribution "
        "inputs reach: other than `fpr95` of `metrics`, whose threshold 95% of in-distribution inputs pass."
    )
    aupr_in: BenchInterval = Field(
        description="Trapezoidal area under precision and recall, in-distribution inputs as positives."
    )
    aupr_out: BenchInterval = Field(description="The same, out-of-distribution inputs as positives.")


class ProtocolDetector(Part):
    """One detector on the sets of a protocol."""

    name: str
    reference: Literal["given", "bundled", "run", "none"] = Field(
        description="References that it learned from."
    )
    sets: dict[str, ProtocolMetrics] = Field(description="By set, those without inputs left out.")
    near: ProtocolMetrics | None = Field(description="Means over the near sets found; null without any.")
    far: ProtocolMetrics | None = Field(description="Means over the far sets found; null without any.")


class PublishedResult(Part):
    """Published AUROCs of one method, in percent; standard deviations over training runs, null for one run."""

    method: str
    detector: str = Field(description="Name of the detector here.")
    near: float
    near_sd: float | None
    far: float
    far_sd: float | None


class BenchProtocol(Part):
    """Results of a recognised protocol, with published ones."""

    name: str
    title: str
    id: int | None = Field(description="In-distribution pictures of the benchmark's list; null if unknown.")
    id_found: int = Field(description="In-distribution pictures found, before a limit.")
    accuracy: BenchInterval | None = Field(
        description="Share of in-distribution pictures with the listed class, and its exact 95% interval; null without "
        "a list or class scores."
    )
    sets: tuple[ProtocolSet, ...]
    resamples: int = Field(description="Bootstrap resamples of the intervals.")
    detectors: tuple[ProtocolDetector, ...] = Field(description="The largest mean AUROC over all sets first.")
    published: tuple[PublishedResult, ...]
    published_net: str
    published_source: str
    notes: tuple[str, ...] = Field(
        description="Sets that are missing or incomplete, and what follows for the means."
    )

    @property
    def missing(self) -> tuple[ProtocolSet, ...]:
        """Sets without any input."""
        return tuple(one for one in self.sets if one.status == "missing")


class BenchCache(Part):
    """Use of the cache. Inputs count each time they are requested, altered and synthetic ones included."""

    found: int = Field(description="Inputs found complete in the cache.")
    measured: int = Field(description="Inputs that the model was run for.")


class BenchResult(Result):
    """Result of `onnx-ood bench`."""

    format: Literal["onnx-ood/bench/2"] = Field(default="onnx-ood/bench/2", alias="schema")
    status: Literal["measured", "not_evaluated"] = Field(
        description="`not_evaluated` if there are fewer than 10 in-distribution inputs, or fewer of a set. Metrics of "
        "the other sets count nevertheless, if there are 10 in-distribution inputs."
    )
    settings: BenchSettings = Field(description="Settings of the run, as the user gave them.")
    model: ModelFacts
    site: str = Field(description="Tensor that detectors with nudges nudge.")
    feeds: dict[str, str] = Field(
        description="Values of the model's other inputs by name: a shared value as `--feed` takes it, or `.npz` for "
        "values that came with each input."
    )
    preprocessing: str | None = Field(
        description="Preprocessing of pictures and its source; null without pictures."
    )
    limit: int | None = Field(default=None, description="Maximum number of inputs of a set; null for all.")
    provider: str
    seed: int
    resamples: int
    environment: Environment
    id: int = Field(description="Number of measured in-distribution inputs.")
    references: int = Field(description="Number of references that detectors learned from.")
    reference: Literal["given", "bundled", "run", "none"] = Field(
        description="Source of the references: given known-good inputs, or crops of the bundled photos."
    )
    failed: tuple[Failure, ...] = Field(
        description="In-distribution and reference inputs that could not be measured."
    )
    sets: tuple[BenchSet, ...]
    detectors: tuple[BenchDetector, ...] = Field(description="The best first.")
    corruptions: BenchCorruptions | None = Field(default=None, description="None if they were not requested.")
    protocol: BenchProtocol | None = Field(default=None, description="None without a protocol.")
    flags: BenchFlags | None = Field(
        description="None without given references, or if no detector can flag with so few of them."
    )
    not_applicable: dict[str, str] = Field(description="Detectors that were left out, with the reason.")
    cache: BenchCache | None = Field(default=None, description="None without a cache.")
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [one.name for one in self.sets]
        for one in self.detectors:
            if [metric.set for metric in one.metrics] != names:
                raise ValueError(f"the metrics of {one.name} are not those of the sets {', '.join(names)}")
            if one.scores is not None and list(one.scores.sets) != names:
                raise ValueError(f"the scores of {one.name} are not those of the sets {', '.join(names)}")
        return self

    @property
    @override
    def failure_counts(self) -> tuple[FailureCount, ...]:
        failed = [*self.failed, *(failure for one in self.sets for failure in one.failed)]
        measured = self.id + sum(one.inputs for one in self.sets if not one.synthetic)
        references = self.references if self.reference == "given" else 0
        return (FailureCount(failed, len(failed), measured + references + len(failed)),)

    @property
    def evaluated_sets(self) -> tuple[BenchSet, ...]:
        """Sets that count in means: those with at least 10 inputs; none with fewer in-distribution inputs."""
        return () if self.id < MIN_SET_SIZE else tuple(one for one in self.sets if not one.too_few)

    @property
    def near_best(self) -> tuple[str, ...]:
        """Detectors whose gap to the best has an interval that reaches zero: resamples do not distinguish them."""
        return tuple(one.name for one in self.detectors[1:] if one.gap_to_best.low <= 0)

    def worst_set(self, detector: BenchDetector) -> SetMetrics:
        """Return the metrics of the set that counts in means with the smallest AUROC.

        Args:
            detector: A detector of this result.
        """
        counted = {one.name for one in self.evaluated_sets or self.sets}
        return min((one for one in detector.metrics if one.set in counted), key=lambda one: one.auroc.value)

    def to_csv(self, path: str | Path) -> None:
        """Write all metrics as CSV, as `--csv` does.

        Args:
            path: Path of the file; an existing file is replaced.

        Raises:
            OutputError: If the file cannot be written.
        """
        _rendering.write_csv(path, "bench_csv", self)

    def to_dataframe(self) -> Any:
        """Return the metrics as a pandas DataFrame: one row per detector and set.

        A set that is too small to count in means has a `note`.

        Raises:
            UsageError: If pandas is not installed.
        """
        notes = {one.name: one.too_few for one in self.sets}
        return dataframe(
            {
                "detector": detector.name,
                "set": one.set,
                "auroc": one.auroc.value,
                "auroc_low": one.auroc.low,
                "auroc_high": one.auroc.high,
                "aupr_in": one.aupr_in,
                "aupr_out": one.aupr_out,
                "fpr95": one.fpr95,
                "note": notes[one.set],
            }
            for detector in self.detectors
            for one in detector.metrics
        )
