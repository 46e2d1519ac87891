"""The records of a stream: what a run notes as it goes, one JSON line each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from onnx_ood.audits.score.result import DROP, DetectorSummary
from onnx_ood.results.base import Environment, NudgeSettings, Number, Part, Prediction, Run
from onnx_ood.results.provenance import ModelFacts


class StreamProbe(Part):
    """A probe that was chosen; the first run may tell that it can't be measured."""

    name: str
    op: str
    depth: int = Field(description="Nodes on the longest path from a model input.")
    reason: str = Field(description="Why it was chosen.")


class Header(Part):
    """The first line: everything that has to be the same when a run is resumed."""

    record: Literal["header"] = "header"
    format: Literal["onnx-ood/score-stream/1"] = Field(default="onnx-ood/score-stream/1", alias="schema")
    model: ModelFacts
    nudges: NudgeSettings
    site: str
    feeds: dict[str, str]
    preprocessing: str | None
    detector_summary: DetectorSummary | None
    probes: tuple[StreamProbe, ...]
    provider: Literal["cuda", "cpu"]
    exact: bool
    tf32: bool
    batch_size: int | None = Field(description="Inputs in one run as set by the user, or null.")
    limit: int | None = Field(default=None, description="Maximum number of inputs, or null.")
    environment: Environment


class CalibratedProbe(Part):
    """A probe that is measured."""

    name: str
    units: int = Field(description="Elements of the activation of one input.")
    noise_floor: float = Field(description="Cosine drop that float rounding alone can make here.")
    active: float = Field(description="Share of its units that are above 0, mean over the first inputs.")


class Calibration(Part):
    """What the first inputs told, before the first measured input; once more where it has changed. The last counts."""

    record: Literal["calibration"] = "calibration"
    run: Run
    probes: tuple[CalibratedProbe, ...] = Field(
        description="What the lists of the inputs that follow are about."
    )
    skipped_probes: dict[str, str]
    copy_sums: tuple[tuple[float, ...], ...] = Field(
        description="With --adaptive: for each copy and probe, the drop over the mean over all copies, summed up over "
        "the inputs so far, 32 at most; else empty."
    )


class ScoredInput(Part):
    """A measured input; lists have one entry a probe, in the order of the calibration."""

    record: Literal["scored"] = "scored"
    id: str
    copies: int = Field(description="Nudged copies it got.")
    forwards: int = Field(description="Runs of the model for it, nudged or not.")
    scores: tuple[float, ...] = Field(description="Of each detector of the header's verdict.")
    p_value: Number
    flagged: bool | None
    published_score: float = Field(
        description="−mean log10 cosine drop: the published reading, often inverted."
    )
    drop: tuple[float, ...] = Field(description=DROP)
    drop_error: tuple[Number, ...] = Field(
        description="Standard error of the drop over copies; null for one copy."
    )
    distortion: tuple[Number, ...] = Field(
        description="Angle at the probe over angle at the site, mean over copies."
    )
    flip_rate: tuple[float, ...]
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
