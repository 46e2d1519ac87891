"""The inspect audit: contents of a model file and suggested probes."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from onnx_ood._arguments import checked
from onnx_ood.audits.inspect.result import InspectResult, ProbeFacts, TensorFacts
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import Model, Tensor, load, subgraphs, suggest_probes
from onnx_ood.results.provenance import model_facts


@checked
def inspect(model: str | Path | Model, *, tensors: str | None = None) -> InspectResult:
    """List the contents of a model file without running it.

    Args:
        model: Path of an ONNX file, or a loaded model.
        tensors: Shell wildcard of the names of tensors to list (`"*"` for all of the main graph); None for none.

    Returns:
        Inputs, outputs, operators, activations and suggested probes.

    Raises:
        ModelError: If the file cannot be read.
        UsageError: If no tensor matches.

    >>> from onnx_ood import inspect, models
    >>> [tensor.shape for tensor in inspect(models.path("fashion_cnn")).inputs]
    [('batch', 1, 28, 28)]
    """
    model = model if isinstance(model, Model) else load(model)
    matching = None
    if tensors is not None:
        matching = tuple(_facts(tensor) for tensor in model.tensors if fnmatchcase(tensor.name, tensors))
        if not matching:
            advice = _advice(tensors, [tensor.name for tensor in model.tensors])
            raise UsageError(f"no tensor of {model.path} matches {tensors!r}; {advice}")
    graph = model.proto.graph
    inner = sum(len(body.node) for node in graph.node for body in subgraphs(node))
    notes = []
    if inner:
        notes.append(f"{inner} more nodes are inside control flow; their tensors are not listed.")
    if model.proto.functions:
        notes.append(f"{len(model.proto.functions)} functions are called; the tensors inside are not listed.")
    unknown = sum(tensor.dtype is None for tensor in model.tensors)
    if unknown:
        notes.append(f"The types of {unknown} tensors cannot be inferred without running the model.")
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
        matching=matching,
        notes=tuple(notes),
    )


def _advice(pattern: str, names: list[str]) -> str:
    inside = f"*{pattern}*"
    if any(fnmatchcase(name, inside) for name in names):
        return f"{inside!r} does: a pattern matches whole names"
    return "'*' lists all"


def _facts(tensor: Tensor) -> TensorFacts:
    return TensorFacts(
        name=tensor.name,
        op=tensor.op,
        dtype=tensor.dtype,
        shape=tensor.shape,
        depth=tensor.depth,
        consumers=tensor.consumers,
    )
