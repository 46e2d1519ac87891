"""The inspect audit: what is in a model file, and where to watch it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Tensor, load, suggest_probes
from onnx_ood.graph.catalogue.order import subgraphs
from onnx_ood.results.facts import ModelFacts, model_facts


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TensorFacts(_Part):
    """One tensor of the catalogue."""

    name: str
    op: str
    dtype: str | None = Field(description="null where type inference can't tell.")
    shape: tuple[int | str | None, ...] | None = Field(description="Numbers, symbols, null for unknown.")
    depth: int
    consumers: int


class ProbeFacts(_Part):
    """A suggested probe."""

    tensor: TensorFacts
    reason: str


class InspectResult(_Part):
    """What is in a model file."""

    format: Literal["onnx-ood/inspect/1"] = Field(default="onnx-ood/inspect/1", alias="schema")
    model: ModelFacts
    ir_version: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operators: dict[str, int] = Field(description="Nodes of the main graph by operator, most frequent first.")
    tensors: int = Field(description="Tensors that nodes of the main graph compute.")
    activations: tuple[TensorFacts, ...]
    suggested_probes: tuple[ProbeFacts, ...]
    notes: tuple[str, ...]


def inspect(path: str | Path) -> InspectResult:
    """Reads a model file and says what is in it, without running it.

    Args:
        path: The model file.

    Returns:
        The facts.

    Raises:
        ModelError: If the file can't be read.
    """
    model = load(path)
    graph = model.proto.graph
    inner = sum(len(body.node) for node in graph.node for body in subgraphs(node))
    notes = []
    if inner:
        notes.append(f"{inner} more nodes are inside control flow; their tensors are not in the catalogue.")
    if model.proto.functions:
        notes.append(
            f"{len(model.proto.functions)} functions are called; tensors inside are not in the catalogue."
        )
    unknown = sum(tensor.dtype is None for tensor in model.tensors)
    if unknown:
        notes.append(f"The types of {unknown} tensors can't be inferred without running the model.")
    try:
        suggested = suggest_probes(model)
    except ModelError as error:
        suggested = ()
        notes.append(str(error))
    return InspectResult(
        model=model_facts(model),
        ir_version=model.proto.ir_version,
        inputs=tuple(_facts(tensor) for tensor in model.inputs),
        outputs=tuple(_facts(model.by_name[name]) for name in model.outputs if name in model.by_name),
        operators=dict(model.operators.most_common()),
        tensors=sum(not tensor.is_input for tensor in model.tensors),
        activations=tuple(_facts(tensor) for tensor in model.tensors if tensor.activation),
        suggested_probes=tuple(
            ProbeFacts(tensor=_facts(suggestion.tensor), reason=suggestion.reason) for suggestion in suggested
        ),
        notes=tuple(notes),
    )


def _facts(tensor: Tensor) -> TensorFacts:
    return TensorFacts(
        name=tensor.name,
        op=tensor.op,
        dtype=tensor.dtype,
        shape=tensor.shape,
        depth=tensor.depth,
        consumers=tensor.consumers,
    )
