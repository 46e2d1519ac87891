"""The result of the plane audit: plain data with a schema, the source of every rendering."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Environment, Number, Part, Prediction
from onnx_ood.results.facts import ModelFacts


class PlanePoint(Part):
    """One of the three inputs."""

    id: str
    x: float = Field(description="In units of the model's input, as all coordinates.")
    y: float
    prediction: Prediction | None
    jacobian: Number = Field(description="Jacobian norm, with a step of its own; null if not asked for.")
    jacobian_error: Number = Field(description="Its standard error over directions.")


class PlaneGrid(Part):
    """Points in rows and columns, as far from each other in both directions."""

    x: float = Field(description="Of the first column.")
    y: float = Field(description="Of the first row.")
    step: float
    columns: int
    rows: int


class PlaneLine(Part):
    """A line through points of the plane."""

    index: int = Field(
        description="The unit, as an index into the flattened activation of one input; or the class."
    )
    x: tuple[float, ...]
    y: tuple[float, ...]


class PlaneProbe(Part):
    """The units whose boundaries were looked for."""

    name: str
    op: str
    exact: Literal["linear", "pattern", "sign"] = Field(
        description="linear: boundaries of linear regions; pieces: of pieces that are not all linear; sign: where the "
        "pre-activation of a smooth function changes its sign, a proxy."
    )
    read: str = Field(description="The tensor whose values are compared with the thresholds.")
    thresholds: tuple[float, ...]
    units: int = Field(description="Units of the layer.")
    looked_at: int = Field(
        description="Units whose boundaries were looked for; fewer than all are a random sample."
    )
    switching: int = Field(description="How many of these change their code somewhere in the window.")
    lines: tuple[PlaneLine, ...] = Field(
        description="Where they change it, to within a tenth of a step of the grid."
    )


class PlaneClass(Part):
    """One class that the model answers somewhere in the window."""

    index: int
    label: str | None
    share: float = Field(description="Share of the grid's points.")


class PlaneClasses(Part):
    """The model's answers."""

    found: tuple[PlaneClass, ...] = Field(description="The most frequent first.")
    answers: tuple[tuple[int, ...], ...] = Field(
        description="At each point, rows of the grid from the first; −1 where an output is not finite."
    )
    lines: tuple[PlaneLine, ...] = Field(
        description="Where a class's output is equal to the largest of the others, as for the layer."
    )


class PlaneJacobian(Part):
    """Jacobian norms in the window."""

    probe: str = Field(description="What is derived by the input: the softmax of an output, or a tensor.")
    directions: int
    step: float = Field(
        description="Length of the nudge to either side, for all points: the median of what the three inputs got."
    )
    error: Number = Field(description="Median of the norms' standard errors, as a share of the norm.")
    grid: PlaneGrid
    norms: tuple[tuple[Number, ...], ...] = Field(description="Rows of this grid from the first.")
    note: str


class PlaneResult(Part):
    """What a model does on the plane through three inputs."""

    format: Literal["onnx-ood/plane/1"] = Field(default="onnx-ood/plane/1", alias="schema")
    model: ModelFacts
    preprocessing: str | None
    provider: Literal["cuda", "cpu"]
    provider_note: str
    seed: int
    environment: Environment
    points: tuple[PlanePoint, PlanePoint, PlanePoint]
    grid: PlaneGrid
    rounding: Number = Field(
        description="How far the point that the model was fed is from its place in the plane, at most: of rounding "
        "to the input's type, in steps of the grid."
    )
    probe: PlaneProbe
    classes: PlaneClasses | None = Field(description="Null if the first output is no row of class scores.")
    jacobian: PlaneJacobian | None = Field(description="Null if not asked for.")
    notes: tuple[str, ...]
