"""Result of the plane audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from onnx_ood.audits.plane.settings import MAX_RESOLUTION
from onnx_ood.results.base import Environment, Number, Part, Prediction, Result, check_lengths
from onnx_ood.results.provenance import ModelFacts


class PlanePoint(Part):
    """One of the three inputs."""

    id: str
    x: float = Field(description="Coordinates are in units of the model's input.")
    y: float
    prediction: Prediction | None
    jacobian: Number = Field(description="Jacobian norm, with its own step; null if not measured.")
    jacobian_error: Number = Field(description="Its standard error over directions.")


class PlaneGrid(Part):
    """A square grid of points."""

    x: float = Field(description="Of the first column.")
    y: float = Field(description="Of the first row.")
    step: float = Field(gt=0)
    columns: int = Field(ge=1, le=MAX_RESOLUTION)
    rows: int = Field(ge=1, le=MAX_RESOLUTION)

    def check(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Refuse rows of values that are not those of the grid; for validators.

        Raises:
            ValueError: If there are more or fewer rows or columns.
        """
        check_lengths(self.rows, "rows of the grid", {name: rows})
        check_lengths(
            self.columns, "columns of the grid", {f"{name}.{at}": row for at, row in enumerate(rows)}
        )


class PlaneLine(Part):
    """A line through points of the plane."""

    index: int = Field(description="Unit, as an index into the flattened activation of one input; or class.")
    x: tuple[float, ...] = Field(min_length=1)
    y: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_lengths(len(self.x), "values of x", {"y": self.y})
        return self


class PlaneProbe(Part):
    """The activation function whose boundaries were traced."""

    name: str
    op: str
    exact: Literal["linear", "pattern", "sign"] = Field(
        description="linear: boundaries of linear regions; pattern: of pieces that are not all linear; sign: "
        "sign changes of the pre-activation of a smooth function, a proxy."
    )
    read: str = Field(description="Tensor compared with the thresholds.")
    thresholds: tuple[float, ...]
    units: int = Field(description="Units in all.")
    looked_at: int = Field(
        description="Units whose boundaries were traced; fewer than all are a random sample."
    )
    unknown: int = Field(
        description="Points of the grid with NaN or infinity in a traced unit; no boundary is known around them."
    )
    switching: int = Field(description="Traced units that change their activation pattern in the window.")
    lines: tuple[PlaneLine, ...] = Field(
        description="Their boundaries, to within a tenth of a step of the grid."
    )


class PlaneClass(Part):
    """A class predicted in the window."""

    index: int
    label: str | None
    share: float = Field(description="Share of the grid's points.")


class PlaneClasses(Part):
    """The model's predictions."""

    found: tuple[PlaneClass, ...] = Field(description="Most frequent first.")
    unknown: int = Field(description="Points with an output that is not finite, and so without a class.")
    answers: tuple[tuple[int, ...], ...] = Field(
        description="Class at each point, by rows of the grid; −1 if an output is not finite."
    )
    lines: tuple[PlaneLine, ...] = Field(
        description="Lines on which a class's output equals the largest other one."
    )


class PlaneJacobian(Part):
    """Jacobian norms in the window."""

    probe: str = Field(description="Differentiated tensor: the softmax of an output, or a tensor.")
    directions: int
    step: float = Field(
        description="Length of the nudge to either side, for all points: the median of the three inputs' steps."
    )
    error: Number = Field(description="Median relative standard error of the norms.")
    grid: PlaneGrid
    unknown: int = Field(description="Points with a norm that is not finite.")
    norms: tuple[tuple[Number, ...], ...] = Field(
        description="By rows of this grid; null if the norm is not finite."
    )
    note: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.grid.check("norms", self.norms)
        return self


class PlaneResult(Result):
    """A model on the plane through three inputs."""

    format: Literal["onnx-ood/plane/2"] = Field(default="onnx-ood/plane/2", alias="schema")
    model: ModelFacts
    preprocessing: str | None
    site: str = Field(description="Model input that the plane lies in.")
    feeds: dict[str, str] = Field(description="Value of each other model input.")
    provider: Literal["cuda", "cpu"]
    provider_note: str
    seed: int
    environment: Environment
    points: tuple[PlanePoint, PlanePoint, PlanePoint]
    grid: PlaneGrid
    rounding: Number = Field(
        description="Largest distance of a fed point from its place in the plane, by rounding to the input's type; in "
        "steps of the grid."
    )
    probe: PlaneProbe
    classes: PlaneClasses | None = Field(description="Null if the first output is not a row of class scores.")
    jacobian: PlaneJacobian | None = Field(description="Null if not measured.")
    notes: tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.classes is not None:
            self.grid.check("classes.answers", self.classes.answers)
        return self
