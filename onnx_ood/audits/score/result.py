"""The result of the score audit: plain data with a schema, the source of every rendering."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Failure, NudgeSettings, Number, Part, Prediction, Run
from onnx_ood.results.provenance import ModelFacts

DROP = (
    "Cosine drop, mean over copies; of an input with fewer than all, scaled by what these copies give the first inputs "
    "beside all copies."
)
"""What the drop of an input is, for the schemas."""


class UsedDetector(Part):
    """A detector that scored inputs."""

    name: str
    formula: str
    source: str


class DetectorSummary(Part):
    """What inputs are judged by."""

    detectors: tuple[UsedDetector, ...] = Field(description="The first ranks inputs and makes p-values.")
    reference: Literal["given", "bundled", "none"] = Field(
        description="What is known of good inputs: given ones, bundled photos that stand for them, or nothing."
    )
    references: int
    references_sha256: str | None = Field(
        description="Of the names of given references, one a line, in order; null without."
    )
    fpr: Number = Field(
        description="False-positive rate of flags; null without given references, for no threshold is justified then."
    )
    smallest_p: Number = Field(
        description="No p-value can be smaller, with so many references; above the rate, nothing can be flagged."
    )

    @property
    def flags(self) -> bool:
        """Whether inputs can be flagged."""
        return self.fpr is not None and self.smallest_p is not None and self.smallest_p <= self.fpr


class ProbeResult(Part):
    """One probe over all scored inputs. Medians and bounds are over inputs, of means over copies."""

    name: str
    op: str
    depth: int = Field(description="Nodes on the longest path from a model input.")
    units: int = Field(description="Elements of the activation of one input.")
    reason: str = Field(description="Why it was chosen.")
    noise_floor: float = Field(description="Cosine drop that float rounding alone can make here.")
    above_floor: float = Field(description="Share of inputs whose drop is above the noise floor.")
    drop_low: Number = Field(description="5th percentile of the cosine drop.")
    drop_median: Number
    drop_high: Number = Field(description="95th percentile of the cosine drop.")
    distortion_median: Number
    flip_rate_median: Number
    compared: bool = Field(description="True if the probe takes part in the strangeness.")


class ProbeAdvice(Part):
    """Whether to watch a probe, told by the inputs alone. Drops are means over copies, at least the noise floor."""

    name: str
    advised: bool
    active: float = Field(description="Share of its units that are above 0, mean over the first inputs.")
    under_floor: float = Field(description="Share of inputs whose drop is not above the noise floor.")
    saturated: float = Field(description="Share of inputs whose drop is at least 0.9.")
    spread: float = Field(description="Standard deviation of log10 drop over inputs: the dynamic range.")
    reliability: float = Field(
        description="Share of the variance of the log drop over inputs that isn't error of the mean over copies."
    )
    most_similar: str | None = Field(
        description="The advised probe, of an advised one among those before it, with which its log drop is correlated "
        "most; null for the first, and for one that is left out whatever the others are."
    )
    correlation: Number = Field(description="That correlation, absolute.")
    reason: str


class InputResult(Part):
    """One scored input; lists have one entry a probe, in the order of `probes`."""

    id: str
    copies: int = Field(description="Nudged copies it got.")
    rank: int | None = Field(
        description="1 = strangest, by the first detector, or without one by strangeness; null where inputs were too "
        "few to compare."
    )
    scores: tuple[float, ...] = Field(
        description="Of each detector of the verdict; higher = more out-of-distribution. Empty without a verdict."
    )
    p_value: Number = Field(
        description="How rarely an input like the references is as strange, by the first detector; exact in finite "
        "samples. Null without given references."
    )
    flagged: bool | None = Field(
        description="True if the p-value is at most the rate of the verdict; null where nothing can be flagged."
    )
    deviation: Number = Field(
        description="Two-sided distance of the log drops from the other inputs', in robust standard deviations."
    )
    rotation: Literal["more", "less"] | None = Field(
        description="Whether its activations turned more or less than the other inputs', over all probes."
    )
    published_score: float = Field(
        description="−mean log10 cosine drop: the published reading, often inverted."
    )
    drop: tuple[Number, ...] = Field(description=DROP)
    drop_error: tuple[Number, ...] = Field(
        description="Standard error of the drop over copies; null for one copy."
    )
    distortion: tuple[Number, ...] = Field(
        description="Angle at the probe over angle at the site, mean over copies."
    )
    flip_rate: tuple[Number, ...]
    probe_deviations: tuple[Number, ...] | None = Field(
        description="Signed distance at each probe, robust deviations."
    )
    prediction: Prediction | None


class CopiesUsed(Part):
    """What giving inputs no more copies than they need came to, over all scored inputs."""

    rule: str = Field(description="When an input gets no more copies.")
    copies: int = Field(description="Nudged copies in all.")
    copies_fixed: int = Field(description="What they would be had every input got all.")
    forwards: int = Field(
        description="Inputs that went through the model, nudged or not: every further round runs the clean one again."
    )
    forwards_fixed: int = Field(description="What they would be had every input got all copies.")


class ScoreResult(Part):
    """Which inputs a model finds strange, and at which layer."""

    format: Literal["onnx-ood/score/1"] = Field(default="onnx-ood/score/1", alias="schema")
    status: Literal["scored", "not_evaluated"] = Field(
        description="`not_evaluated` if fewer than half of the inputs could be scored."
    )
    model: ModelFacts
    nudges: NudgeSettings
    site: str
    feeds: dict[str, str] = Field(
        description="Values of the model's other inputs by name: what all inputs share as `--feed` takes it, and "
        "`.npz` for what came with each input."
    )
    preprocessing: str | None = Field(
        description="In words, with its source; null if there were no pictures."
    )
    detector_summary: DetectorSummary | None = Field(
        description="What inputs are judged by; null where they are compared with each other alone."
    )
    environment: Environment
    run: Run
    adaptive: CopiesUsed | None = Field(description="Null where every input got all copies.")
    probes: tuple[ProbeResult, ...]
    advice: tuple[ProbeAdvice, ...] | None = Field(
        description="Which probes to watch: the advised ones, the best first, then those left out. Null where it was "
        "not asked for, or inputs were too few."
    )
    scored: int = Field(description="Inputs that were scored.")
    flagged: int | None = Field(
        description="How many of them are flagged; null where nothing can be flagged."
    )
    inputs: tuple[InputResult, ...] = Field(
        description="Strangest first; in the given order where not ranked. All that were scored, or in a streamed run "
        "of many the first and the last of them."
    )
    unscored: int = Field(description="Inputs that were not scored.")
    failed: tuple[Failure, ...] = Field(
        description="All that were not scored, or in a streamed run of many the first of them."
    )
    ignored: tuple[str, ...] = Field(description="Files in given folders that are of no kind that is read.")
    skipped_probes: dict[str, str] = Field(
        description="Selected tensors that can't be measured, with the reason."
    )
    notes: tuple[str, ...] = Field(description="What a reader should know to believe the numbers.")
