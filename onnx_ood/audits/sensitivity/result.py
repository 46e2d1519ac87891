"""The result of the sensitivity audit: plain data with a schema, the source of every rendering."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Failure, Number, Part, Prediction, Result
from onnx_ood.results.provenance import ModelFacts

TrajectoryType = Literal["translations", "same_class", "different_classes", "random"]


class MeanEstimate(Part):
    """A mean over inputs or trajectories."""

    count: int
    mean: Number
    low: Number = Field(description="Lower end of the 95% confidence interval of the mean, by Student's t.")
    high: Number


class JacobianResult(Part):
    """Jacobian norms of all inputs."""

    probe: str = Field(description="What is derived by the input: the softmax of an output, or a tensor.")
    directions: int
    norm: MeanEstimate
    within_region: Number = Field(
        description="Share of the differences taken inside one linear region, where they are exact; null for networks "
        "whose regions are not known."
    )
    disagreement: Number = Field(
        description="Median relative difference of what a step and its double give along one direction."
    )
    note: str


class TrajectoryResult(Part):
    """Transitions along one trajectory."""

    type: TrajectoryType
    inputs: tuple[str, ...] = Field(description="The inputs it goes through.")
    length: float = Field(description="In units of the site.")
    transitions: int
    remainder: Number = Field(description="MeanEstimate of how many more there are; null for no estimate.")
    converged: bool
    points: int = Field(description="Points that were read.")
    profile: tuple[float, ...] = Field(
        description="Transitions for each unit of length, in 40 parts of the way: those of an ellipse are equal in "
        "angle, those of translations in segments."
    )


class TrajectoryTypeResult(Part):
    """All trajectories of one kind."""

    type: TrajectoryType
    transitions: MeanEstimate = Field(description="Along a whole trajectory, as published.")
    density: MeanEstimate = Field(description="Transitions for each unit of length.")
    converged: int = Field(description="How many of them converged.")


class SiteResult(Part):
    """The units of one activation function."""

    name: str
    op: str
    exact: Literal["linear", "pattern", "sign"] = Field(
        description="linear: codes of linear regions; pieces: of pieces that are not all linear; sign: of a smooth "
        "function, a proxy."
    )
    units: int
    density: dict[str, float] = Field(description="Mean density by kind of trajectory.")


class RegionsResult(Part):
    """Linear regions on the straight way between two inputs, all boundaries found in float64."""

    inputs: tuple[str, str]
    length: float
    boundaries: int = Field(description="Changes of a unit's code.")
    regions: int


class SensitivityInput(Part):
    """One input."""

    id: str
    jacobian: Number
    jacobian_error: Number = Field(description="Standard error of the norm over directions.")
    step: Number = Field(description="Length of the nudge to either side, in units of the site.")
    nearest_boundary: Number = Field(
        default=None,
        description="Distance to the nearest boundary of its linear region; null where not asked for.",
    )
    prediction: Prediction | None


class ModelSensitivity(Part):
    """Measurements of one model."""

    model: ModelFacts
    jacobian_rank: int = Field(description="1 = smallest mean Jacobian norm.")
    density: Number = Field(
        description="Transitions for each unit of length, mean of all kinds of trajectories."
    )
    density_rank: int | None = Field(description="1 = lowest density.")
    preprocessing: str | None
    site: str = Field(
        description="The tensor by whose values the model is derived, and through which trajectories go."
    )
    feeds: dict[str, str] = Field(description="Where the value of each other model input came from.")
    provider: Literal["cuda", "cpu"]
    provider_note: str
    jacobian: JacobianResult
    trajectory_types: tuple[TrajectoryTypeResult, ...]
    trajectories: tuple[TrajectoryResult, ...]
    classes: str | None = Field(
        description="Whose classes ellipses through inputs go by: those of a file, or the model's own answers; null "
        "where there are none."
    )
    sites: tuple[SiteResult, ...]
    unread: dict[str, str] = Field(description="Units whose codes can't be read, with the reason.")
    regions: tuple[RegionsResult, ...]
    inputs: tuple[SensitivityInput, ...]
    failed: tuple[Failure, ...]
    notes: tuple[str, ...]


class SensitivityResult(Result):
    """Stability of one or several models, and the comparison between them."""

    format: Literal["onnx-ood/sensitivity/1"] = Field(default="onnx-ood/sensitivity/1", alias="schema")
    status: Literal["measured", "not_evaluated"] = Field(
        description="measured, or not evaluated if fewer than half of the inputs of a model were."
    )
    directions: int
    tolerance: float
    limit: int | None = Field(default=None, description="Maximum number of inputs; null for all.")
    seed: int
    environment: Environment
    models: tuple[ModelSensitivity, ...] = Field(description="By Jacobian rank.")
    notes: tuple[str, ...]
