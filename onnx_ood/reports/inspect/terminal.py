"""The inspect audit on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.inspect.result import InspectResult, ProbeFacts, TensorFacts
from onnx_ood.graph import format_shape
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table

# Operators that are listed by name; the rest are summed up.
_OPERATORS_SHOWN = 12


def print_inspect(console: Console, result: InspectResult, _top: int = 0) -> None:
    """Prints what is in a model file.

    Args:
        console: Where to.
        result: The facts.
    """
    model = result.model
    opsets = ", ".join(f"{domain} {version}" for domain, version in model.opsets.items())
    shown = list(result.operators.items())[:_OPERATORS_SHOWN]
    operators = ", ".join(f"{count} {name}" for name, count in shown)
    rest = sum(result.operators.values()) - sum(count for _, count in shown)
    facts(
        console,
        [
            ("model", model.path),
            ("sha256", model.sha256),
            ("size", f"{numbers.size(model.size)}, {model.parameters:,} parameters"),
            ("producer", model.producer or "not stated"),
            ("opsets", f"{opsets} (IR version {result.ir_version})"),
            *((f"input {i}", _tensor(tensor)) for i, tensor in enumerate(result.inputs, start=1)),
            *((f"output {i}", _tensor(tensor)) for i, tensor in enumerate(result.outputs, start=1)),
            ("operators", operators + (f" and {rest} others" if rest else "")),
            ("tensors", f"{result.tensors} computed, {len(result.activations)} of them activations"),
        ],
    )
    if result.suggested_probes:
        console.print()
        console.print(_probes(console, result.suggested_probes))
    if result.notes:
        console.print()
        bullets(console, result.notes, style="dim")


def _probes(console: Console, probes: Sequence[ProbeFacts]) -> Table:
    def build(_level: int, names: int) -> Table:
        view = table(f"Suggested probes ({probes[0].reason})")
        view.add_column("", justify="right", no_wrap=True)
        view.add_column("probe", no_wrap=True)
        view.add_column("op", no_wrap=True)
        view.add_column("depth", justify="right", no_wrap=True)
        view.add_column("shape", no_wrap=True)
        for index, probe in enumerate(probes, start=1):
            tensor = probe.tensor
            name, shape = words.shorten_middle(tensor.name, names), format_shape(tensor.shape)
            view.add_row(*map(Text, (f"[{index}]", name, tensor.op, str(tensor.depth), shape)))
        return view

    return fitted(console, build, levels=1, longest=max(len(probe.tensor.name) for probe in probes))


def _tensor(tensor: TensorFacts) -> str:
    return f"{tensor.name}  {tensor.dtype or 'unknown type'} {format_shape(tensor.shape)}"
