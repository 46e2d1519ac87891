"""What differs between two results, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.diff.result import DiffResult, GateChange, InputChange, InputsDiff, MetricChange
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.layout import bullets, facts, fitted, table
from onnx_ood.reports._terminal.marks import Marks

_DROP = "drop "


def print_diff(console: Console, result: DiffResult, top: int) -> None:
    """Prints the differences for people.

    Args:
        console: Where to; its width and encoding are respected.
        result: The result.
        top: How many of the inputs that moved most to list.
    """
    signs = Marks(console)
    moved = sum(bool(figure.beyond_noise) for figure in result.figures)
    facts(
        console,
        [
            ("a", result.a),
            ("b", result.b),
            ("gates", f"{len(result.gates)} end otherwise" if result.kind == "check" else ""),
            ("figures", f"{moved} of {len(result.figures)} moved beyond noise"),
            *(_input_facts(result.inputs) if result.inputs else []),
        ],
    )
    if result.gates:
        _print_gates(console, result.gates)
    _print_settings(console, result)
    if result.figures:
        _print_figures(console, signs, result.figures)
    if result.inputs and result.inputs.changes:
        _print_inputs(console, signs, result.inputs.changes[:top])
    if result.notes:
        console.print()
        bullets(console, result.notes, style="dim")


def _input_facts(inputs: InputsDiff) -> list[tuple[str, str]]:
    agreement = inputs.agreement
    return [
        ("inputs", f"{inputs.both:,} in both, {inputs.only_a:,} in a alone, {inputs.only_b:,} in b alone"),
        (
            "same answer",
            ""
            if agreement is None
            else f"{numbers.percent(agreement.share)} of {agreement.inputs:,} "
            f"[{numbers.percent(agreement.low)}, {numbers.percent(agreement.high)}]",
        ),
        (
            "same order",
            "" if inputs.rank_correlation is None else f"rank correlation {inputs.rank_correlation:.2f}",
        ),
        ("newly flagged", _named(inputs.newly_flagged)),
        ("not any more", _named(inputs.no_longer_flagged)),
    ]


def _named(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{len(names):,}: {', '.join(names[:most])}{more}" if names else ""


def _print_gates(console: Console, gates: Sequence[GateChange]) -> None:
    view = table("Gates that end otherwise")
    for name in ("gate", "model", "a", "b", "why"):
        view.add_column(name, overflow="fold")
    for one in gates:
        cells = (one.title, one.model, one.a or "no such gate", one.b or "no such gate", one.reason)
        view.add_row(*(Text(cell, style="" if one.b in {"passed", None} else "bold") for cell in cells))
    console.print()
    console.print(view)


def _print_settings(console: Console, result: DiffResult) -> None:
    console.print()
    if not result.settings:
        console.print("No setting, model or version differs.")
        return
    view = table("What was different")
    view.add_column("", no_wrap=True)
    view.add_column("a", overflow="fold")
    view.add_column("b", overflow="fold")
    for one in result.settings:
        view.add_row(*map(Text, (one.name, _short(one.name, one.a), _short(one.name, one.b))))
    console.print(view)


def _short(name: str, value: str) -> str:
    """A setting as text; of a hash its first digits, which are enough to tell two apart."""
    return (value[:12] if name.endswith("sha256") else value) or "-"


def _print_figures(console: Console, signs: Marks, figures: Sequence[MetricChange]) -> None:
    def build(level: int, names: int) -> Table:
        view = table("Figures: medians of scores and drops, else as they are reported")
        view.add_column("figure", no_wrap=True)
        for name in ("a", "b", "change"):
            view.add_column(name, justify="right", no_wrap=True)
        if level == 0:
            view.add_column("95% interval", justify="right", no_wrap=True)
        view.add_column("", no_wrap=True)
        shown = words.shorten_apart([figure.name for figure in figures], names)
        for figure, name in zip(figures, shown, strict=True):
            style = "bold" if figure.beyond_noise else ""
            cells = [name, _value(figure.a), _value(figure.b), _change(figure.change, figure)]
            if level == 0:
                ends = (_change(figure.low, figure), _change(figure.high, figure))
                cells.append("-" if figure.low is None else f"{ends[0]} to {ends[1]}")
            cells.append(_mark(signs, figure))
            view.add_row(*(Text(cell, style=style) for cell in cells))
        return view

    console.print()
    console.print(fitted(console, build, levels=2, longest=max(len(figure.name) for figure in figures)))


def _value(value: float | None) -> str:
    return "-" if value is None else numbers.number(value)


def _change(value: float | None, figure: MetricChange) -> str:
    """A change; of drops the factor, because that of one layer can be a thousandth of another's."""
    if value is None:
        return "-"
    return f"x{10**value:.2f}" if figure.name.startswith(_DROP) else f"{value:+.3f}"


def _mark(signs: Marks, figure: MetricChange) -> str:
    if figure.beyond_noise is None:
        return "?"
    if not figure.beyond_noise:
        return "within noise"
    return f"{signs.more} more" if (figure.change or 0) > 0 else f"{signs.less} less"


def _print_inputs(console: Console, signs: Marks, changes: Sequence[InputChange]) -> None:
    def build(level: int, names: int) -> Table:
        view = table("Inputs whose rank moved most")
        view.add_column("input", no_wrap=True)
        view.add_column("#", justify="right", no_wrap=True)
        if level == 0:
            view.add_column("score", justify="right", no_wrap=True)
        view.add_column("flagged", no_wrap=True)
        if level < 2:
            view.add_column("answer", no_wrap=True)
        for one in changes:
            view.add_row(
                words.shorten(one.id, names),
                f"{one.rank_a:g} > {one.rank_b:g}",
                *([f"{_value(one.score_a)} > {_value(one.score_b)}"] if level == 0 else []),
                _flags(signs, one),
                *([Text(_answers(one))] if level < 2 else []),
            )
        return view

    console.print()
    console.print(fitted(console, build, levels=3, longest=max(len(one.id) for one in changes)))


def _flags(signs: Marks, one: InputChange) -> Text:
    if one.flagged_a is None and one.flagged_b is None:
        return Text("-")
    words = [signs.bad if flagged else "no" for flagged in (one.flagged_a, one.flagged_b)]
    same = one.flagged_a == one.flagged_b
    return Text(words[0] if same else f"{words[0]} > {words[1]}", style="" if same else "bold red")


def _answers(one: InputChange) -> str:
    if one.prediction_a == one.prediction_b:
        return one.prediction_a or "-"
    return f"{one.prediction_a or '-'} > {one.prediction_b or '-'}"
