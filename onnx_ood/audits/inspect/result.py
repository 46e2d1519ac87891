"""Result of the inspect audit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from onnx_ood.results.base import Part, Result, dataframe
from onnx_ood.results.provenance import ModelFacts


class TensorFacts(Part):
    """A tensor of the main graph."""

    name: str
    op: str
    dtype: str | None = Field(description="null if type inference finds none.")
    shape: tuple[int | str | None, ...] | None = Field(
        description="Sizes: numbers, symbols, or null if unknown; null if the rank is unknown."
    )
    depth: int
    consumers: int


class ProbeFacts(Part):
    """A suggested probe."""

    tensor: TensorFacts
    reason: str


class InspectResult(Result):
    """Contents of a model file."""

    format: Literal["onnx-ood/inspect/1"] = Field(default="onnx-ood/inspect/1", alias="schema")
    model: ModelFacts
    ir_version: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operators: dict[str, int] = Field(description="Nodes of the main graph by operator, most frequent first.")
    tensors: int = Field(description="Tensors computed by nodes of the main graph.")
    activations: tuple[TensorFacts, ...]
    suggested_probes: tuple[ProbeFacts, ...]
    matching: tuple[TensorFacts, ...] | None = Field(
        default=None,
        description="Tensors whose name matches the given pattern, in execution order; null without one.",
    )
    notes: tuple[str, ...]

    def to_dataframe(self) -> Any:
        """Return the activations as a pandas DataFrame: one row per tensor; `suggested` is True for suggested probes.

        Raises:
            UsageError: If pandas is not installed.
        """
        suggested = {one.tensor.name for one in self.suggested_probes}
        return dataframe({**one.model_dump(), "suggested": one.name in suggested} for one in self.activations)
