"""Terminal report of a rewritten model."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from onnx_ood.audits.instrument.result import InstrumentResult
from onnx_ood.graph import format_shape
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.words import by_reason, counted


def print_instrument(console: Console, result: InstrumentResult, options: ReportOptions = DEFAULTS) -> None:
    """Print the added outputs and inputs.

    Names are not shortened: they are to be copied.

    Args:
        console: Console to print to.
        result: The result.
        options: What to show; a verbose report names all tensors that cannot be watched.
    """
    outputs = len(set(result.outputs.values()))
    head = f"{result.out}: {counted(len(result.outputs), 'tensor')} at {counted(outputs, 'output')}"
    if result.inputs:
        head += f", {counted(len(result.inputs), 'site')} at added inputs"
    lines = [Text(head, style="bold")]
    refused = result.refused
    warnings = [
        f"cannot be watched: {line}"
        for line in by_reason(refused.items(), len(refused) if options.verbose else 3)
    ]
    if result.untyped:
        warnings.append(
            f"onnx cannot infer the type or rank of {counted(len(result.untyped), 'added name')}: onnxruntime loads "
            "the file, onnx.checker refuses it"
        )
    lines += [Text(f"! {warning}", style="yellow") for warning in warnings]
    for name, output in result.outputs.items():
        dtype, shape = result.types[output].dtype, result.types[output].shape
        size = "" if dtype in {None, "sequence", "optional", "map"} else f" {format_shape(shape)}"
        carrier = "" if output == name else f"  at output {output}"
        lines.append(Text(f"  {name}  {dtype or 'type unknown'}{size}{carrier}"))
    for name, added in result.inputs.items():
        dtype, shape = result.types[added].dtype, result.types[added].shape
        must = "  has to be fed" if added in result.required_inputs else ""
        known = f"{format_shape(shape)}, or a shape" if any(shape or ()) else "a shape"
        to = "it" if any(shape or ()) else "the tensor's"
        lines.append(Text(f"  {name}  {dtype} {known} that broadcasts to {to}  at input {added}{must}"))
    for line in lines:
        console.print(line, soft_wrap=True)
