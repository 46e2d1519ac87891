"""Result of `onnx-ood instrument`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from onnx_ood.graph import Instrumented
from onnx_ood.results.base import Part


class InstrumentResult(Part):
    """Tensors and inputs added to a model."""

    format: Literal["onnx-ood/instrument/1"] = Field(default="onnx-ood/instrument/1", alias="schema")
    model: str = Field(description="File that was rewritten.")
    out: str = Field(description="File that was written.")
    outputs: dict[str, str] = Field(description="Graph output of each watched tensor.")
    inputs: dict[str, str] = Field(description="Added graph input of each site.")
    refused: dict[str, str] = Field(description="Matched tensors that cannot be watched, with the reason.")
    untyped: tuple[str, ...] = Field(description="Added names with a type or rank that onnx cannot infer.")

    @classmethod
    def of(cls, instrumented: Instrumented, out: Path) -> Self:
        """Make the result of a rewritten model.

        Args:
            instrumented: The model.
            out: File it was written to.
        """
        return cls(
            model=instrumented.source.as_posix(),
            out=out.as_posix(),
            outputs=dict(instrumented.outputs),
            inputs=dict(instrumented.inputs),
            refused=dict(instrumented.refused),
            untyped=instrumented.untyped,
        )
