"""Result of the score audit: plain data with a schema, the source of all renderings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from onnx_ood import _rendering
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.audits.score.table import table_columns, table_row
from onnx_ood.detectors import MIN_SPLIT, Calibration, split_references
from onnx_ood.results.base import (
    DetectorNudges,
    Environment,
    Failure,
    FailureCount,
    ModelAnswer,
    NudgeSettings,
    Number,
    Part,
    Prediction,
    Result,
    Run,
    check_lengths,
    dataframe,
)
from onnx_ood.results.provenance import ModelFacts

DROP = (
    "Mean cosine drop over copies. Drops of inputs with fewer copies than all are scaled by the ratio of these copies' "
    "drops to all copies' drops on the first inputs."
)
"""Description of an input's drop, for schemas."""


NEAREST_REFERENCE = (
    "Nearest given reference, by the activity of layers, else the features or logits that the first detector reads; "
    "null without."
)
"""Description of an input's nearest reference, for schemas."""


class UsedTerm(Part):
    """Term of a detector that combines several."""

    name: str
    meaning: str = Field(description="Meaning of a high value.")


class UsedDetector(Part):
    """Detector that scored inputs."""

    name: str
    formula: str
    source: str
    terms: tuple[UsedTerm, ...] = Field(
        default=(), description="Terms that it combines; empty if not several."
    )
    left_out: dict[str, str] = Field(
        default={}, description="Terms that it does without on this model, with the reason."
    )
    nudges: DetectorNudges | None = Field(
        default=None, description="Nudges that its features are measured under; null without."
    )


class DetectorSummary(Part):
    """Detectors, references and the rate of flags."""

    detectors: tuple[UsedDetector, ...] = Field(description="The first one ranks and gives p-values.")
    reference: Literal["given", "bundled", "run", "none"] = Field(
        description="Source of the references: given known-good inputs, bundled photos, the most typical of the inputs "
        "of the run itself, or none."
    )
    references: int
    references_sha256: str | None = Field(
        description="SHA-256 of the names of given references, one per line; null without."
    )
    calibration: Calibration | None = Field(
        default=None,
        description="Source of p-values; null without given references. `split`: the first detector learned from "
        "`learned` references, and its scores are ranked among those of the others, so that order and p-values agree. "
        "`half`: the same by a detector that learned from half of the references; the one that ranks learned from all. "
        "`full`: full-conformal prediction by activity and uncertainty, without the other terms of the score.",
    )
    learned: int = Field(
        default=0, description="Number of references that the first detector learned from to rank inputs."
    )
    fpr: Number = Field(
        description="False-positive rate of flags; null without given references: no threshold is justified then. Null "
        "with a false-discovery rate."
    )
    fdr: Number = Field(
        default=None,
        description="False-discovery rate of flags: the expected share of false ones among all; null with a "
        "false-positive rate.",
    )
    threshold: Number = Field(
        default=None,
        description="Largest p-value that is flagged; 0 for none. With a false-discovery rate it is found at the end "
        "of the run, by Benjamini-Hochberg: null in the first line of a stream. Null without flags.",
    )
    smallest_p: Number = Field(
        description="Smallest possible p-value with so many references; above the rate, no input can be flagged."
    )
    largest_reference: Number = Field(
        default=None,
        description="Largest score of a reference by the first detector, each scored as a new input would be: by a "
        "detector fitted to others. Null if it is not known.",
    )
    layers: int = Field(default=0, description="Number of layers that terms read.")

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """Names of all terms, each after the name of its detector."""
        return tuple((one.name, term.name) for one in self.detectors for term in one.terms)

    @property
    def flags(self) -> bool:
        """True if inputs can be flagged."""
        return self.rate is not None and self.smallest_p is not None and self.smallest_p <= self.rate

    @property
    def rate(self) -> float | None:
        """False-positive or false-discovery rate of flags; None without given references."""
        return self.fpr if self.fdr is None else self.fdr

    @property
    def calibrating(self) -> int:
        """Number of references that p-values are ranked among; 0 without given references."""
        return round(1 / self.smallest_p) - 1 if self.smallest_p else 0

    def references_for(self, p_value: float) -> int:
        """Return the number of references with which a p-value can be so small.

        Args:
            p_value: The p-value, above 0.
        """
        # A rounding error must not ask for one more.
        calibrating = math.ceil(1 / p_value * (1 - 1e-9)) - 1
        if self.calibration == "half" and 2 * calibrating - 1 < MIN_SPLIT:
            return 2 * calibrating - 1
        full = self.calibration == "full" and (self.fdr is None or calibrating < MIN_SPLIT)
        rate = self.rate or p_value
        return calibrating if full or not self.learned else split_references(calibrating, rate)


class ProbeResult(Part):
    """One probe over all scored inputs: medians and quantiles over inputs of means over copies."""

    name: str
    op: str
    depth: int = Field(description="Nodes on the longest path from a model input.")
    units: int = Field(description="Elements of the activation of one input.")
    reason: str = Field(description="Reason for the choice of the probe.")
    noise_floor: float = Field(description="Cosine drop that float rounding alone can make at this probe.")
    above_floor: float = Field(description="Share of inputs with a drop above the noise floor.")
    drop_low: Number = Field(description="5th percentile of the cosine drop.")
    drop_median: Number
    drop_high: Number = Field(description="95th percentile of the cosine drop.")
    distortion_median: Number
    flip_rate_median: Number
    not_comparable: int = Field(
        default=0,
        description="Pairs of an input and a copy whose activations differ in size, which depends on the data; "
        "they are left out.",
    )
    compared: bool = Field(description="True if the probe contributes to the deviation.")


class ProbeAdvice(Part):
    """Advice on watching a probe, found without labels. Drops are means over copies, at least the noise floor."""

    name: str
    advised: bool
    active: float = Field(description="Share of units above 0, mean over the first inputs.")
    under_floor: float = Field(description="Share of inputs with a drop at or below the noise floor.")
    saturated: float = Field(description="Share of inputs with a drop of at least 0.9.")
    spread: float = Field(description="Standard deviation of log10 drop over inputs: the dynamic range.")
    reliability: float = Field(
        description="Share of the variance of the log drop over inputs that is not error of the mean over copies."
    )
    most_similar: str | None = Field(
        description="Advised probe (for an advised one: among those before it) with the most correlated log drop; null "
        "for the first, and for a probe that is unfit by itself."
    )
    correlation: Number = Field(description="Absolute correlation with that probe.")
    reason: str


class ScoreTerm(Part):
    """Value of one term of the score of an input."""

    detector: str
    name: str
    value: float = Field(
        description="Value of the term, in standard deviations of the references; without references in its own unit. "
        "Higher = more out-of-distribution."
    )
    layer: str | None = Field(
        description="Layer that contributes most; null for a term that reads no layers."
    )
    layer_number: int | None = Field(description="Position of that layer, 1 = first; 0 is the model's input.")
    alteration: str | None = Field(
        default=None,
        description="Alteration of references towards which the value points most; null for a term that does not learn "
        "from altered references.",
    )


class InputResult(Part):
    """One scored input; lists have one entry per probe, in the order of `probes`."""

    id: str
    copies: int = Field(description="Number of nudged copies.")
    rank: int | None = Field(
        description="1 = most unusual, by the first detector, or by deviation without one; null if there are too few "
        "inputs to compare."
    )
    scores: tuple[float, ...] = Field(
        description="Score of each detector; higher = more out-of-distribution. Empty without detectors."
    )
    terms: tuple[ScoreTerm, ...] = Field(
        default=(), description="Terms of the scores, in the order of the detectors and their `terms`."
    )
    nearest_reference: str | None = Field(default=None, description=NEAREST_REFERENCE)
    p_value: Number = Field(
        description="p-value by the first detector: how rarely an input like the references is as unusual; exact in "
        "finite samples. Null without given references."
    )
    flagged: bool | None = Field(
        description="True if the p-value is at most the `threshold` of `detector_summary`; null if no input can be "
        "flagged."
    )
    deviation: Number = Field(
        description="Two-sided distance of the log drops from those of the other inputs, in robust standard deviations."
    )
    rotation: Literal["more", "less"] | None = Field(
        description="Rotation of the activations relative to the other inputs, over all probes."
    )
    published_score: Number = Field(
        description="−mean log10 cosine drop: the score as published, often inverted; null if no drop is known."
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
        description="Signed deviation at each probe, in robust standard deviations."
    )
    prediction: Prediction | None


class CopiesUsed(Part):
    """Copies used by adaptive stopping, over all scored inputs."""

    rule: str = Field(description="Rule that ends the copies of an input.")
    copies: int = Field(description="Number of nudged copies.")
    copies_fixed: int = Field(description="Number of copies with all for every input.")
    forwards: int = Field(
        description="Runs of the model, nudged or not: every further round runs the clean input again."
    )
    forwards_fixed: int = Field(description="Number of runs with all copies for every input.")


class ScoreResult(Result):
    """Result of `onnx-ood score`.

    It is a sequence of its inputs: `len(result)`, `result[0]` and iteration are those of `inputs`.
    """

    format: Literal["onnx-ood/score/3"] = Field(default="onnx-ood/score/3", alias="schema")
    status: Literal["scored", "not_evaluated"] = Field(
        description="`not_evaluated` if fewer than half of the inputs could be scored."
    )
    settings: ScoreSettings = Field(description="Settings of the run, as the user gave them.")
    model: ModelFacts
    nudges: NudgeSettings | None = Field(
        description="Nudges of the profile of layers; null without: cosine drops and what follows from them are not "
        "measured then. Detectors nudge by themselves: see `nudges` of `detector_summary.detectors`."
    )
    site: str = Field(description="Tensor that is nudged, or would be.")
    feeds: dict[str, str] = Field(
        description="Values of the model's other inputs by name: a shared value as `--feed` takes it, or `.npz` for "
        "values that came with each input."
    )
    preprocessing: str | None = Field(
        description="Preprocessing of pictures and its source; null without pictures."
    )
    answer: ModelAnswer = Field(
        default=ModelAnswer(outputs=(), kind="unknown", reason=""),
        description="Output that predictions are read from.",
    )
    detector_summary: DetectorSummary | None = Field(
        description="Null if inputs are compared with each other only."
    )
    environment: Environment
    run: Run
    adaptive: CopiesUsed | None = Field(description="Null if every input got all copies.")
    probes: tuple[ProbeResult, ...] = Field(description="Empty if layers are not compared.")
    advice: tuple[ProbeAdvice, ...] | None = Field(
        description="Probes to watch: the advised ones, the best first, then the others. Null if not requested or with "
        "too few inputs."
    )
    scored: int = Field(description="Number of scored inputs.")
    flagged: int | None = Field(description="Number of flagged inputs; null if no input can be flagged.")
    inputs: tuple[InputResult, ...] = Field(
        description="Scored inputs, the most unusual first; in the given order if not ranked. A streamed run of many "
        "lists the first and the last."
    )
    unscored: int = Field(description="Number of inputs that could not be scored.")
    failed: tuple[Failure, ...] = Field(
        description="Inputs that could not be scored; a streamed run of many lists the first."
    )
    ignored: tuple[str, ...] = Field(description="Files in given folders with other suffixes.")
    skipped_probes: dict[str, str] = Field(
        description="Selected tensors that cannot be measured, with the reason."
    )
    notes: tuple[str, ...] = Field(description="Notes on how to read the numbers.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for at, one in enumerate(self.inputs):
            check_lengths(len(self.detectors), "detectors", {f"inputs.{at}.scores": one.scores})
            if one.terms:
                check_lengths(len(self.terms), "terms", {f"inputs.{at}.terms": one.terms})
            lists = ("drop", "drop_error", "distortion", "flip_rate", "probe_deviations")
            check_lengths(
                len(self.probes), "probes", {f"inputs.{at}.{name}": getattr(one, name) for name in lists}
            )
        return self

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors that scored inputs."""
        return tuple(one.name for one in self.detector_summary.detectors) if self.detector_summary else ()

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """Terms of the scores: names of detector and term."""
        return self.detector_summary.terms if self.detector_summary else ()

    @property
    def flagged_inputs(self) -> tuple[InputResult, ...]:
        """Listed inputs that are flagged, in the order of their ranks; empty if no input can be flagged."""
        return tuple(one for one in self.inputs if one.flagged)

    @property
    def flagged_share(self) -> float | None:
        """Share of the scored inputs that are flagged; None if none was scored or none can be flagged."""
        return None if self.flagged is None or not self.scored else self.flagged / self.scored

    def __len__(self) -> int:
        return len(self.inputs)

    @override
    def __iter__(self) -> Iterator[InputResult]:  # type: ignore[override] # of BaseModel: fields
        return iter(self.inputs)

    def __getitem__(self, index: int) -> InputResult:
        return self.inputs[index]

    def rows(self) -> Iterator[dict[str, object]]:
        """Return the inputs as flat rows, the most unusual first, then failed ones.

        Yields:
            `id`, `rank`, `p_value`, `flagged`, `deviation`, `rotation`, `published_score`, `prediction` (class number),
            `label`, `probability`, `copies`, `failed` (the reason, or None), one `score:NAME` per detector, one
            `score:NAME:TERM` per term of a detector that combines several, and `drop:NAME`, `drop_error:NAME`,
            `distortion:NAME`, `flip_rate:NAME` and `deviation:NAME` per probe.
        """
        columns = self._columns
        entries: tuple[InputResult | Failure, ...] = (*self.inputs, *self.failed)
        for entry in entries:
            yield dict(zip(columns, table_row(entry, len(columns)), strict=True))

    @property
    def _columns(self) -> dict[str, type]:
        return table_columns(self.detectors, (probe.name for probe in self.probes), self.terms)

    @property
    @override
    def failure_counts(self) -> tuple[FailureCount, ...]:
        return (FailureCount(self.failed, self.unscored, self.scored + self.unscored),)

    def to_dataframe(self) -> Any:
        """Return the inputs as a pandas DataFrame: one row per input, with the columns of `rows`.

        `flagged` has the nullable dtype "boolean", so `frame[frame.flagged]` selects the flagged inputs although failed
        ones are NA. Numbers that were not measured are NaN.

        Raises:
            UsageError: If pandas is not installed.
        """
        return dataframe(self.rows(), self._columns)

    def to_csv(self, path: str | Path) -> None:
        """Write the inputs as CSV, as `--csv` does: one line per input, with the columns of `rows`.

        Args:
            path: Path of the file; an existing file is replaced.

        Raises:
            OutputError: If the file cannot be written.
        """
        _rendering.write_csv(path, "score_csv", self)
