"""Result of instrumenting a model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from onnx_ood.graph import Instrumented
from onnx_ood.graph.catalogue.tensors import type_of
from onnx_ood.results.base import Part, Result


class ValueType(Part):
    """Type of a graph output or input."""

    dtype: str | None = Field(description="null if onnx cannot infer it.")
    shape: tuple[int | str | None, ...] | None = Field(
        description="Sizes: numbers, symbols, or null if unknown; null if the rank is unknown."
    )


class InstrumentResult(Result):
    """Tensors and inputs added to a model."""

    format: Literal["onnx-ood/instrument/1"] = Field(default="onnx-ood/instrument/1", alias="schema")
    model: str = Field(description="File that was rewritten.")
    out: str = Field(description="File that was written.")
    outputs: dict[str, str] = Field(description="Graph output of each watched tensor.")
    inputs: dict[str, str] = Field(description="Added graph input of each site.")
    refused: dict[str, str] = Field(description="Matched tensors that cannot be watched, with the reason.")
    untyped: tuple[str, ...] = Field(description="Added names with a type or rank that onnx cannot infer.")

    types: dict[str, ValueType] = Field(description="Type of each of these graph outputs and inputs.")
    required_inputs: tuple[str, ...] = Field(
        description="Added inputs without a default, which have to be fed."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if untyped := {*self.outputs.values(), *self.inputs.values()} - {*self.types}:
            raise ValueError(f"types lacks {', '.join(sorted(untyped))}")
        return self

    @classmethod
    def of(cls, instrumented: Instrumented, out: Path) -> Self:
        """Make the result of a rewritten model.

        Args:
            instrumented: The model.
            out: File it was written to.
        """
        graph = instrumented.model.graph
        added = {*instrumented.outputs.values(), *instrumented.inputs.values()}
        types = {
            value.name: type_of(value.type) for value in (*graph.output, *graph.input) if value.name in added
        }
        defaults = {tensor.name for tensor in graph.initializer}
        return cls(
            model=instrumented.source.as_posix(),
            out=out.as_posix(),
            outputs=dict(instrumented.outputs),
            inputs=dict(instrumented.inputs),
            refused=dict(instrumented.refused),
            untyped=instrumented.untyped,
            types={name: ValueType(dtype=dtype, shape=shape) for name, (dtype, shape) in types.items()},
            required_inputs=tuple(name for name in instrumented.inputs.values() if name not in defaults),
        )
