"""Records of a stream, one JSON line each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from onnx_ood.audits.score.result import DROP, NEAREST_REFERENCE, DetectorSummary, ScoreTerm
from onnx_ood.results.base import Environment, NudgeSettings, Number, Part, Prediction, Run
from onnx_ood.results.provenance import ModelFacts


class StreamProbe(Part):
    """A chosen probe; the first run may find that it cannot be measured."""

    name: str
    op: str
    depth: int = Field(description="Nodes on the longest path from a model input.")
    reason: str = Field(description="Reason for the choice.")


class Header(Part):
    """First line: everything that must be equal when a run is resumed."""

    record: Literal["header"] = "header"
    format: Literal["onnx-ood/score-stream/3"] = Field(default="onnx-ood/score-stream/3", alias="schema")
    model: ModelFacts
    nudges: NudgeSettings | None = Field(description="Nudges of the profile of layers; null without.")
    site: str
    feeds: dict[str, str]
    preprocessing: str | None
    answer: tuple[str, ...] = Field(default=(), description="Outputs that predictions are read from.")
    detector_summary: DetectorSummary | None
    probes: tuple[StreamProbe, ...] = Field(description="Empty if layers are not compared.")
    provider: Literal["cuda", "cpu"]
    exact: bool
    tf32: bool
    seed: int
    batch_size: int | None = Field(description="Inputs in one run as set by the user, or null.")
    limit: int | None = Field(default=None, description="Maximum number of inputs, or null.")
    columns: tuple[str, ...] = Field(
        default=(),
        description="Names of the columns of the first table of inputs that has names; empty for others.",
    )
    environment: Environment


class CalibratedProbe(Part):
    """A measured probe."""

    name: str
    units: int = Field(description="Elements of the activation of one input.")
    noise_floor: float = Field(description="Cosine drop that float rounding alone can cause.")
    active: float = Field(description="Fraction of units above 0, mean over the first inputs.")


class Calibration(Part):
    """Calibration by the first inputs, before the first measured input and after each change; the last one counts."""

    record: Literal["calibration"] = "calibration"
    run: Run
    probes: tuple[CalibratedProbe, ...] = Field(
        description="Probes of the lists of numbers in the following inputs, in order."
    )
    skipped_probes: dict[str, str]
    copy_sums: tuple[tuple[float, ...], ...] = Field(
        description="With adaptive copies: for each copy and probe, the drop divided by its mean over copies, summed "
        "over the inputs so far (at most 32); otherwise empty."
    )


class ScoredInput(Part):
    """A measured input; lists have one entry per probe, in the order of the calibration."""

    record: Literal["scored"] = "scored"
    id: str
    copies: int = Field(description="Number of nudged copies.")
    forwards: int = Field(description="Forward passes for it, including clean ones.")
    scores: tuple[float, ...] = Field(description="Score of each detector in the header's summary.")
    terms: tuple[ScoreTerm, ...] = Field(default=(), description="Terms of the scores.")
    nearest_reference: str | None = Field(default=None, description=NEAREST_REFERENCE)
    p_value: Number
    flagged: bool | None = Field(
        description="As in the result; null with a false-discovery rate, since flags are found at the end of the run: "
        "those with a p-value of at most `threshold` in the `detector_summary` of the result."
    )
    published_score: Number = Field(
        description="−mean log10 cosine drop: the published reading, often inverted; null if no drop is known."
    )
    drop: tuple[Number, ...] = Field(description=DROP)
    drop_error: tuple[Number, ...] = Field(
        description="Standard error of the drop over copies; null for one copy."
    )
    distortion: tuple[Number, ...] = Field(
        description="Angle at the probe divided by angle at the site, mean over copies."
    )
    flip_rate: tuple[Number, ...]
    not_comparable: tuple[int, ...] = Field(
        default=(), description="Copies whose activations differ in size from the input's; empty for none."
    )
    prediction: Prediction | None
    batch_end: bool = Field(default=False, description="True for the last line of a batch.")


class UnscoredInput(Part):
    """An input that could not be scored."""

    record: Literal["failed"] = "failed"
    id: str
    reason: str
    batch_end: bool = Field(default=False, description="True for the last line of a batch.")


Entry = ScoredInput | UnscoredInput


class StreamRecord(RootModel[Annotated[Header | Calibration | Entry, Field(discriminator="record")]]):
    """One line of a stream."""
