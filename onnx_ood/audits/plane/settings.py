"""Settings of the plane audit."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from onnx_ood._limits import MAX_DIRECTIONS, MAX_UNITS
from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Option, Settings

MAX_RESOLUTION = 2000
MAX_EXTENT = 1000


class PlaneSettings(Settings):
    """Settings of the plane audit.

    Attributes:
        probe: Selector of the activation function, or its pre-activation, whose boundaries are traced; None for the
            last one that is piecewise linear.
        units: Most units of the probe whose boundaries are traced: a random sample.
        resolution: Points along the longer side of the window; the Jacobian norm has a quarter of them.
        extent: How far the window extends beyond the box around the three inputs on every side, as a fraction of the
            box's longer side.
        directions: Directions along which Jacobian norms are estimated; 0 for no norms.
        limit: Maximum number of inputs to read, a random sample, rows of files included; with 3, the plane goes
            through three random inputs.
        seed: Seed of all random draws.
        preprocess: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model card's,
            or else a guess.
        batch_axis: Batch axis of the model input that takes the inputs, counted from 0; `"none"` if it has none; None
            to find it by its name or by trial runs.
        answer: Output of the model that is its answer: class scores or labels; None to find it.
        labels: File with class names by index; None for those of the card or the model.
        site: Model input that the plane lies in; None for the only input of floats.
        feeds: Values of the model's other inputs by name, the same for all points, in the grammar of
            `onnx_ood.inputs.SharedValue`.
        provider: Execution provider.
        batch_size: Points in one run; None for what memory allows.
    """

    probe: Annotated[
        str | None,
        Field(
            description="Activation function whose boundaries are traced, by its output tensor: a name, or op:Relu[-1]."
        ),
        Option("Measurement", "SELECTOR", "the last one that is piecewise linear"),
    ] = None
    units: Annotated[
        int,
        Field(ge=1, le=MAX_UNITS, description="Most units whose boundaries are traced: a random sample."),
        Option("Measurement"),
    ] = 256
    resolution: Annotated[
        int,
        Field(
            ge=8,
            le=MAX_RESOLUTION,
            description="Points along the longer side; the Jacobian norm has a quarter of them.",
        ),
        Option("Measurement"),
    ] = 160
    extent: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_EXTENT,
            allow_inf_nan=False,
            description="Margin around the three inputs, as a fraction of the longer side of their bounding box.",
        ),
        Option("Measurement"),
    ] = 0.5
    directions: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_DIRECTIONS,
            description="Directions along which each Jacobian norm is estimated; 0 for no norms.",
        ),
        Option("Measurement"),
    ] = 16
    limit: common.Limit = None
    seed: common.Seed = 0
    preprocess: common.Preprocess = None
    batch_axis: common.BatchAxis = None
    answer: common.Answer = None
    labels: common.Labels = None
    site: common.Site = None
    feeds: common.Feeds = Field(default_factory=dict)
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.directions == 1:
            raise ValueError(
                "directions: at least 2 are needed for a standard error, or 0 for no norms; found 1"
            )
        return self
