"""Terminal report of the inspect audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

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
# Most characters of a symbolic size, and with less room.
_MAX_SYMBOL, _SHORT_SYMBOL = 24, 8

Shape: TypeAlias = tuple[int | str | None, ...] | None


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
        _probes(console, result.suggested_probes)
        if result.suggested_probes and not result.matching
        else None,
        _matching(console, result.matching, result.tensors) if result.matching else None,
        foot=closing(console, "", [model.path], more="" if options.verbose else "all operators"),
    )


def _headline(result: InspectResult) -> str:
    model = result.model
    count = len(result.activations)
    activations = words.counted(count, "activation") if count else "no activations"
    suggested = {probe.tensor.name for probe in result.suggested_probes}
    among = suggested <= {one.name for one in result.activations}
    return (
        f"{words.counted(len(suggested), 'probe')} suggested {'of' if among and count else 'in a model with'} "
        f"{activations}; "
        f"{model.parameters:,} parameters, {numbers.size(model.size)}"
    )


def _operators(result: InspectResult, most: int) -> str:
    shown = list(result.operators.items())[:most]
    rest = sum(result.operators.values()) - sum(count for _, count in shown)
    return ", ".join(f"{count} {name}" for name, count in shown) + (
        f" and {words.counted(rest, 'other')}" if rest else ""
    )


def _probes(console: Console, probes: Sequence[ProbeFacts]) -> Table:
    title = f"Suggested probes ({probes[0].reason})"
    return _tensors(console, title, "probe", [probe.tensor for probe in probes])


def _matching(console: Console, tensors: Sequence[TensorFacts], computed: int) -> Table:
    title = f"{words.counted(len(tensors), 'tensor')} listed; nodes compute {computed:,}"
    return _tensors(console, title, "tensor", tensors, types=True)


def _tensors(
    console: Console, title: str, what: str, tensors: Sequence[TensorFacts], *, types: bool = False
) -> Table:
    """Make a table of tensors; with less room, shapes are dropped first, and names shortened last."""

    def build(level: int, names: int) -> Table:
        view = table(title)
        view.add_column("", justify="right", no_wrap=True)
        view.add_column(what, no_wrap=True)
        view.add_column("op", no_wrap=True)
        view.add_column("depth", justify="right", no_wrap=True)
        if types and level < 3:
            view.add_column("type", no_wrap=True)
        if level < 2:
            view.add_column("shape", no_wrap=True)
        for index, tensor in enumerate(tensors, start=1):
            shape = format_shape(_shortened(tensor.shape, _SHORT_SYMBOL if level else _MAX_SYMBOL))
            cells = [
                f"[{index}]",
                words.shorten_middle(tensor.name, names),
                tensor.op,
                str(tensor.depth),
                *([tensor.dtype or "?"] if types and level < 3 else []),
                *([shape] if level < 2 else []),
            ]
            view.add_row(*map(Text, cells))
        return view

    longest = max(len(tensor.name) for tensor in tensors)
    return fitted(console, build, levels=4, longest=longest, shortest=longest)


def _shortened(shape: Shape, most: int) -> Shape:
    """Shorten symbolic sizes, which exporters may write as long expressions."""
    if shape is None:
        return None
    return tuple(
        f"{size[: most - 1]}…" if isinstance(size, str) and len(size) > most else size for size in shape
    )


def _tensor(tensor: TensorFacts) -> str:
    shape = format_shape(_shortened(tensor.shape, _MAX_SYMBOL))
    return f"{tensor.name}  {tensor.dtype or 'unknown type'} {shape}"
