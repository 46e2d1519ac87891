"""Result of the sensitivity audit."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from onnx_ood.results.base import (
    Environment,
    Failure,
    FailureCount,
    Number,
    Part,
    Prediction,
    Result,
    check_lengths,
    dataframe,
)
from onnx_ood.results.provenance import ModelFacts

TrajectoryType = Literal["translations", "same_class", "different_classes", "random"]


class MeanEstimate(Part):
    """Mean over inputs or trajectories, with its confidence interval."""

    count: int = Field(description="Values that are numbers; the mean is over them.")
    mean: Number
    low: Number = Field(description="Lower end of the 95% confidence interval of the mean, by Student's t.")
    high: Number


class JacobianResult(Part):
    """Jacobian norms of all inputs."""

    probe: str = Field(description="The differentiated value: the softmax of an output, or a tensor.")
    directions: int
    norm: MeanEstimate
    within_region: Number = Field(
        description="Share of finite differences inside one linear region, where they are exact; null for networks "
        "with unknown regions."
    )
    disagreement: Number = Field(
        description="Median relative difference between the estimates with a step and with twice the step."
    )
    note: str


class TrajectoryResult(Part):
    """Transitions along one trajectory."""

    type: TrajectoryType
    inputs: tuple[str, ...] = Field(description="Inputs on the trajectory.")
    length: float = Field(description="Length in units of the site.")
    transitions: int
    remainder: Number = Field(
        description="Estimated number of undetected transitions; null without an estimate."
    )
    converged: bool
    points: int = Field(description="Points evaluated.")
    profile: tuple[float, ...] = Field(
        min_length=1,
        description="Transitions per unit of length in 40 parts of the trajectory: equal parts of the angle for "
        "ellipses, of the number of segments for translations.",
    )


class TrajectoryTypeResult(Part):
    """Summary of all trajectories of one type."""

    type: TrajectoryType
    transitions: MeanEstimate = Field(description="Transitions along a whole trajectory, as published.")
    density: MeanEstimate = Field(description="Transitions per unit of length.")
    converged: int = Field(description="Number of converged trajectories.")


class SiteResult(Part):
    """Units of one activation function."""

    name: str
    op: str
    exact: Literal["linear", "pattern", "sign"] = Field(
        description="linear: patterns identify linear regions; pattern: pieces are not all linear; sign: sign of a "
        "smooth function, a proxy."
    )
    units: int
    density: dict[str, float] = Field(description="Mean density by type of trajectory.")


class RegionsResult(Part):
    """Linear regions on the segment between two inputs, all boundaries found in float64."""

    inputs: tuple[str, str]
    length: float
    boundaries: int = Field(description="Number of points where units switch.")
    regions: int


class SensitivityInput(Part):
    """One input."""

    id: str
    jacobian: Number
    jacobian_error: Number = Field(description="Standard error of the norm over directions.")
    step: Number = Field(description="Length of the nudge in each direction, in units of the site.")
    nearest_boundary: Number = Field(
        default=None,
        description="Distance to the nearest boundary of the input's linear region; null if not measured.",
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
        description="Tensor that the model is differentiated by, in whose space the trajectories lie."
    )
    feeds: dict[str, str] = Field(description="Source of the value of each other model input.")
    provider: Literal["cuda", "cpu"]
    provider_note: str
    jacobian: JacobianResult
    trajectory_types: tuple[TrajectoryTypeResult, ...]
    trajectories: tuple[TrajectoryResult, ...]
    classes: str | None = Field(
        description="Source of the classes: a file, or the model's predictions; null without classes."
    )
    sites: tuple[SiteResult, ...]
    unread: dict[str, str] = Field(description="Units whose patterns cannot be read, with the reason.")
    regions: tuple[RegionsResult, ...]
    inputs: tuple[SensitivityInput, ...]
    failed: tuple[Failure, ...]
    notes: tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if missing := {one.type for one in self.trajectory_types} - {one.type for one in self.trajectories}:
            raise ValueError(f"there is no trajectory of type {', '.join(sorted(missing))}")
        kinds = {one.type for one in self.trajectory_types}
        for site in self.sites:
            if missing := kinds - set(site.density):
                raise ValueError(f"sites: {site.name!r} has no density of type {', '.join(sorted(missing))}")
        profiles = {f"trajectories.{at}.profile": one.profile for at, one in enumerate(self.trajectories)}
        for profile in list(profiles.values())[:1]:
            check_lengths(len(profile), "parts", profiles)
        return self


class SensitivityResult(Result):
    """Stability of one or several models, and the comparison between them."""

    format: Literal["onnx-ood/sensitivity/2"] = Field(default="onnx-ood/sensitivity/2", alias="schema")
    status: Literal["measured", "not_evaluated"] = Field(
        description="not_evaluated if fewer than half of a model's inputs could be measured."
    )
    directions: int
    tolerance: float
    limit: int | None = Field(default=None, description="Maximum number of inputs; null for all.")
    seed: int
    environment: Environment
    models: tuple[ModelSensitivity, ...] = Field(
        min_length=1, description="Models in order of Jacobian rank."
    )
    notes: tuple[str, ...]

    @property
    @override
    def failure_counts(self) -> tuple[FailureCount, ...]:
        several = len(self.models) > 1
        return tuple(
            FailureCount(
                one.failed,
                len(one.failed),
                len(one.inputs) + len(one.failed),
                one.model.path if several else "",
            )
            for one in self.models
        )

    def to_dataframe(self) -> Any:
        """Return the inputs as a pandas DataFrame: one row per model and input, with its Jacobian norm.

        Raises:
            UsageError: If pandas is not installed.
        """
        return dataframe(
            {
                "model": model.model.path,
                "id": one.id,
                "jacobian": one.jacobian,
                "jacobian_error": one.jacobian_error,
                "nearest_boundary": one.nearest_boundary,
                "prediction": one.prediction and one.prediction.index,
                "label": one.prediction and one.prediction.label,
                "probability": one.prediction and one.prediction.probability,
            }
            for model in self.models
            for one in model.inputs
        )
