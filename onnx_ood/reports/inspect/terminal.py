"""Terminal report of the inspect audit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.inspect.result import InspectResult, ProbeFacts, TensorFacts
from onnx_ood.graph import format_shape
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.report_layout import Answer, closing, print_report
from onnx_ood.reports._terminal.report_tables import facts, fitted, table
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions

# Operators that are named; a verbose report names all.
_MAX_OPERATORS = 6


def print_inspect(console: Console, result: InspectResult, options: ReportOptions = DEFAULTS) -> None:
    """Print the contents of a model file.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    model = result.model
    opsets = ", ".join(f"{domain} {version}" for domain, version in model.opsets.items())
    file = [
        ("tensors", f"{result.tensors:,}"),
        ("sha256", model.sha256),
        ("producer", model.producer or "not stated"),
        ("opsets", f"{opsets} (IR version {result.ir_version})"),
    ]
    print_report(
        console,
        Answer(_headline(result), warnings=result.notes, verbose=options.verbose),
        facts(
            [
                *((f"input {i}", _tensor(tensor)) for i, tensor in enumerate(result.inputs, start=1)),
                *((f"output {i}", _tensor(tensor)) for i, tensor in enumerate(result.outputs, start=1)),
                (
                    "operators",
                    _operators(result, len(result.operators) if options.verbose else _MAX_OPERATORS),
                ),
                *(file if options.verbose else ()),
            ]
        ),
        _probes(console, result.suggested_probes) if result.suggested_probes else None,
        foot=closing(console, "", [model.path], more="" if options.verbose else "all operators"),
    )


def _headline(result: InspectResult) -> str:
    model = result.model
    return (
        f"{words.counted(len(result.suggested_probes), 'probe')} suggested of "
        f"{words.counted(len(result.activations), 'activation')}; "
        f"{model.parameters:,} parameters, {numbers.size(model.size)}"
    )


def _operators(result: InspectResult, most: int) -> str:
    shown = list(result.operators.items())[:most]
    rest = sum(result.operators.values()) - sum(count for _, count in shown)
    return ", ".join(f"{count} {name}" for name, count in shown) + (
        f" and {words.counted(rest, 'other')}" if rest else ""
    )


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
