"""Terminal report of a rewritten model."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from onnx_ood.graph import Instrumented, format_shape
from onnx_ood.graph.catalogue.tensors import type_of
from onnx_ood.reports.words import by_reason, counted


def print_instrumented(console: Console, result: Instrumented, path: Path, *, verbose: bool = False) -> None:
    """Print the added outputs and inputs.

    Names are not shortened: they are to be copied.

    Args:
        console: Console to print to.
        result: The rewritten model.
        path: File that it was written to.
        verbose: True to name all tensors that cannot be watched.
    """
    outputs = len(set(result.outputs.values()))
    head = f"{path}: {counted(len(result.outputs), 'tensor')} at {counted(outputs, 'output')}"
    if result.inputs:
        head += f", {counted(len(result.inputs), 'site')} at added inputs"
    lines = [Text(head, style="bold")]
    refused = result.refused
    warnings = [
        f"cannot be watched: {line}" for line in by_reason(refused.items(), len(refused) if verbose else 3)
    ]
    if result.untyped:
        warnings.append(
            f"onnx cannot infer the type or rank of {counted(len(result.untyped), 'added name')}: onnxruntime loads "
            "the file, onnx.checker refuses it"
        )
    lines += [Text(f"! {warning}", style="yellow") for warning in warnings]
    types = {value.name: type_of(value.type) for value in result.model.graph.output}
    for name, output in result.outputs.items():
        dtype, shape = types[output]
        size = "" if dtype in {None, "sequence", "optional", "map"} else f" {format_shape(shape)}"
        carrier = "" if output == name else f"  at output {output}"
        lines.append(Text(f"  {name}  {dtype or 'type unknown'}{size}{carrier}"))
    shapes = {value.name: type_of(value.type) for value in result.model.graph.input}
    with_default = {tensor.name for tensor in result.model.graph.initializer}
    for name, added in result.inputs.items():
        dtype, shape = shapes[added]
        must = "" if added in with_default else "  has to be fed"
        lines.append(
            Text(f"  {name}  {dtype} {format_shape(shape)} or broadcastable  at input {added}{must}")
        )
    for line in lines:
        console.print(line, soft_wrap=True)
