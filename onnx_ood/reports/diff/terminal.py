"""Terminal report of the diff audit."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.diff.result import MATCHED, DiffResult, GateChange, InputChange, InputsDiff, MetricChange
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, print_report
from onnx_ood.reports._terminal.report_tables import facts, fitted, table
from onnx_ood.reports.check.gate_text import outcome_text
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions

_DROP = "drop "
_TOP = 5
# Decimal places of factors: small changes have more.
_MIN_PLACES, _MAX_PLACES = 2, 6
# Edited results may hold any number; larger powers of ten are not floats.
_MAX_EXPONENT = 300


def print_diff(console: Console, result: DiffResult, options: ReportOptions = DEFAULTS) -> None:
    """Print the differences.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    signs = Marks(console)
    metrics = [one for one in result.metrics if options.verbose or one.beyond_noise is not False]
    within = len(result.metrics) - len(metrics)
    moved = _moved(result.inputs) if result.inputs else []
    print_report(
        console,
        Answer(
            _headline(result),
            "red" * (result.status == "not_evaluated"),
            warnings=result.notes,
            verbose=options.verbose,
        ),
        _changed_answers(console, result.inputs, options.top or _TOP) if result.inputs else None,
        _gates(result.gates) if result.gates else None,
        facts(_input_facts(result.inputs)) if result.inputs else None,
        _metrics(console, signs, metrics, of_scores=result.audit == "score") if metrics else None,
        _inputs(
            console,
            signs,
            moved[: options.top or _TOP],
            ranked=not (result.inputs and result.inputs.not_comparable),
        )
        if moved
        else None,
        _settings(result),
        foot=closing(
            console,
            f"{words.counted(within, 'metric')} within noise: -v" if within else "",
            [f"{result.a} {signs.arrow} {result.b}"],
        ),
    )


def _headline(result: DiffResult) -> str:
    if result.status == "not_evaluated":
        return f"Not evaluated: no {MATCHED[result.audit]} in common"
    incomparable = sum(bool(metric.not_comparable) for metric in result.metrics)
    compared = len(result.metrics) - incomparable
    changed = sum(bool(metric.beyond_noise) for metric in result.metrics)
    flagged = len(result.inputs.newly_flagged) if result.inputs else 0
    inputs = result.inputs
    return ", ".join(
        [
            *(
                [
                    f"{len(inputs.changed_answers):,} of {words.counted(inputs.agreement.inputs, 'answer')} changed"
                ]
                if inputs and inputs.agreement and inputs.changed_answers
                else []
            ),
            *(
                [f"{words.counted(len(result.gates), 'gate')} with a different outcome"]
                if result.audit == "check"
                else []
            ),
            *(
                [f"{changed} of {words.counted(compared, 'metric')} changed beyond noise"]
                if compared or not incomparable
                else []
            ),
            *([f"{words.counted(incomparable, 'metric')} not comparable"] if incomparable else []),
            *([f"{words.counted(flagged, 'input')} newly flagged"] if flagged else []),
        ]
    )


def _input_facts(inputs: InputsDiff) -> list[tuple[str, str]]:
    agreement = inputs.agreement
    return [
        ("inputs", f"{inputs.both:,} in both, {inputs.only_a:,} only in a, {inputs.only_b:,} only in b"),
        (
            "same class",
            ""
            if agreement is None
            else f"{numbers.percent(agreement.share)} of {agreement.inputs:,} "
            f"[{numbers.percent(agreement.low)}, {numbers.percent(agreement.high)}]",
        ),
        (
            "same order",
            "not comparable"
            if inputs.not_comparable
            else ""
            if inputs.rank_correlation is None
            else f"rank correlation {inputs.rank_correlation:.2f}",
        ),
        ("newly flagged", _named(inputs.newly_flagged)),
        ("no longer", _named(inputs.no_longer_flagged)),
    ]


def _changed_answers(console: Console, inputs: InputsDiff, most: int) -> Table | None:
    """List inputs with another predicted class, by name."""
    names = inputs.changed_answers
    if not names:
        return None
    by_id = {one.id: one for one in inputs.changes}
    shown = [by_id[name] for name in names[:most] if name in by_id]
    more = f"; {len(names) - len(shown):,} more in the JSON" if len(names) > len(shown) else ""

    def build(_level: int, length: int) -> Table:
        view = table(f"Changed answers{more}")
        view.add_column("input", no_wrap=True)
        view.add_column("class", overflow="fold")
        for one in shown:
            view.add_row(words.shorten(one.id, length), Text(_answers(Marks(console), one)))
        return view

    return fitted(console, build, levels=1, longest=max((len(one.id) for one in shown), default=0))


def _named(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{len(names):,}: {', '.join(names[:most])}{more}" if names else ""


def _gates(gates: Sequence[GateChange]) -> Table:
    view = table("Gates with a different outcome")
    explained = any(one.reason for one in gates)
    for name in ("gate", "model", "a", "b", *(("why",) if explained else ())):
        view.add_column(name, overflow="fold")
    for one in gates:
        outcomes = ("no such gate" if end is None else outcome_text(end) for end in (one.a, one.b))
        cells = (one.title, one.model, *outcomes, *((one.reason,) if explained else ()))
        view.add_row(*(Text(cell, style="" if one.b in {"passed", None} else "bold") for cell in cells))
    return view


def _settings(result: DiffResult) -> Table | Text:
    if not result.settings:
        return Text("No differences in settings, models or versions.")
    view = table("Changed settings, models and versions")
    view.add_column("", no_wrap=True)
    view.add_column("a", overflow="fold")
    view.add_column("b", overflow="fold")
    for one in result.settings:
        view.add_row(*map(Text, (one.name, _short(one.name, one.a), _short(one.name, one.b))))
    return view


def _short(name: str, value: str) -> str:
    """Format a setting; hashes are cut to their first digits."""
    return (value[:12] if name.endswith("sha256") else value) or "-"


def _metrics(console: Console, signs: Marks, metrics: Sequence[MetricChange], *, of_scores: bool) -> Table:
    title = "Metrics: means of scores, geometric means of drops" if of_scores else "Metrics"

    def build(level: int, names: int) -> Table:
        view = table(title)
        view.add_column("metric", no_wrap=True)
        for name in ("a", "b", "change"):
            view.add_column(name, justify="right", no_wrap=True)
        if level == 0:
            view.add_column("95% interval", justify="right", no_wrap=True)
        view.add_column("", no_wrap=True)
        shown = words.shorten_apart([metric.name for metric in metrics], names)
        for metric, name in zip(metrics, shown, strict=True):
            style = "bold" if metric.beyond_noise else ""
            cells = [name, _value(metric.a), _value(metric.b), _change(metric.change, metric)]
            if level == 0:
                ends = (_change(metric.low, metric), _change(metric.high, metric))
                cells.append("-" if metric.low is None else f"{ends[0]} to {ends[1]}")
            cells.append(_mark(signs, metric))
            view.add_row(*(Text(cell, style=style) for cell in cells))
        return view

    return fitted(console, build, levels=2, longest=max(len(metric.name) for metric in metrics))


def _value(value: float | None) -> str:
    return "-" if value is None else numbers.number(value)


def _change(value: float | None, metric: MetricChange) -> str:
    """Format a change; drops as a factor, because they differ a thousandfold between layers."""
    if value is None:
        return "-"
    if metric.name.startswith(_DROP):
        return f"x{_factor(10 ** min(value, _MAX_EXPONENT))}"
    return f"{'+' if value > 0 else ''}{numbers.number(value)}"


def _factor(value: float) -> str:
    """Format a factor with so many places that it differs from 1."""
    if not 0.1 <= value < 100:
        return numbers.number(value)
    distance = abs(value - 1)
    places = -floor(log10(distance)) if distance else 0
    return f"{value:.{min(max(places, _MIN_PLACES), _MAX_PLACES)}f}"


def _moved(inputs: InputsDiff) -> list[InputChange]:
    """List inputs with another rank, score, flag or class; ranks and scores count only if they are comparable."""
    if inputs.not_comparable:
        found = [one for one in inputs.changes if _flag_moved(one) or one.prediction_a != one.prediction_b]
        return sorted(found, key=lambda one: not _flag_moved(one))
    return [
        one
        for one in inputs.changes
        if (one.rank_a, one.score_a, one.flagged_a, one.prediction_a)
        != (one.rank_b, one.score_b, one.flagged_b, one.prediction_b)
    ]


def _flag_moved(one: InputChange) -> bool:
    return one.flagged_a != one.flagged_b


def _mark(signs: Marks, metric: MetricChange) -> str:
    if metric.not_comparable:
        return "not comparable"
    if metric.beyond_noise is None:
        return "?"
    if not metric.beyond_noise:
        return "within noise"
    return f"{signs.more} more" if (metric.change or 0) > 0 else f"{signs.less} less"


def _inputs(console: Console, signs: Marks, changes: Sequence[InputChange], *, ranked: bool) -> Table:
    title = "Inputs with the largest changes of rank" if ranked else "Inputs with another flag or class"

    def build(level: int, names: int) -> Table:
        view = table(title)
        view.add_column("input", no_wrap=True)
        if ranked:
            view.add_column("#", justify="right", no_wrap=True)
        if ranked and level == 0:
            view.add_column("score", justify="right", no_wrap=True)
        view.add_column("flagged", no_wrap=True)
        if level < 2:
            view.add_column("class", no_wrap=True)
        for one in changes:
            view.add_row(
                words.shorten(one.id, names),
                *([f"{one.rank_a:g} {signs.arrow} {one.rank_b:g}"] if ranked else []),
                *(
                    [f"{_value(one.score_a)} {signs.arrow} {_value(one.score_b)}"]
                    if ranked and level == 0
                    else []
                ),
                _flags(signs, one),
                *([Text(_answers(signs, one))] if level < 2 else []),
            )
        return view

    return fitted(console, build, levels=3, longest=max(len(one.id) for one in changes))


def _flags(signs: Marks, one: InputChange) -> Text:
    if one.flagged_a is None and one.flagged_b is None:
        return Text("-")
    words = [signs.bad if flagged else "no" for flagged in (one.flagged_a, one.flagged_b)]
    same = one.flagged_a == one.flagged_b
    return Text(
        words[0] if same else f"{words[0]} {signs.arrow} {words[1]}", style="" if same else "bold red"
    )


def _answers(signs: Marks, one: InputChange) -> str:
    if one.prediction_a == one.prediction_b:
        return one.prediction_a or "-"
    return f"{one.prediction_a or '-'} {signs.arrow} {one.prediction_b or '-'}"
