"""What was added to a rewritten model, on a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from onnx_ood.graph import Instrumented, format_shape
from onnx_ood.graph.catalogue.tensors import type_of


def print_instrumented(console: Console, result: Instrumented, path: Path) -> None:
    """Prints which output carries what, and which input nudges what.

    Names are never cut short: they are there to be copied.

    Args:
        console: Where to.
        result: The rewritten model.
        path: Where it was written.
    """
    types = {value.name: type_of(value.type) for value in result.model.graph.output}
    outputs = len(set(result.outputs.values()))
    console.print(f"{path}: {len(result.outputs)} tensors at {outputs} outputs", soft_wrap=True)
    for name, output in result.outputs.items():
        dtype, shape = types[output]
        kind = dtype or "type unknown"
        size = "" if dtype in {None, "sequence", "optional", "map"} else f" {format_shape(shape)}"
        carrier = "" if output == name else f"  at output {output}"
        console.print(f"  {name}  {kind}{size}{carrier}", soft_wrap=True)
    shapes = {value.name: type_of(value.type) for value in result.model.graph.input}
    with_default = {tensor.name for tensor in result.model.graph.initializer}
    if result.inputs:
        console.print(f"{len(result.inputs)} sites at added inputs, each of any size that broadcasts:")
    for name, added in result.inputs.items():
        dtype, shape = shapes[added]
        must = "" if added in with_default else "  has to be fed"
        console.print(f"  {name}  {dtype} {format_shape(shape)}  at input {added}{must}", soft_wrap=True)
    if result.refused:
        console.print(f"{len(result.refused)} tensors can't be watched:")
    for name, reason in result.refused.items():
        console.print(f"  {name}  {reason}", soft_wrap=True)
    if result.untyped:
        console.print(
            f"{len(result.untyped)} of what was added have a type or rank that onnx can't infer: onnxruntime loads "
            "the file, onnx.checker refuses it.",
            soft_wrap=True,
        )
