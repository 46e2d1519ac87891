"""The demo on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.demo.result import AlterationResult, Area, DemoResult
from onnx_ood.reports import numbers
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.results.provenance import fallback_report, placement_text

# Photos whose answer is shown; the JSON has them all.
_ANSWERS_SHOWN = 6

_STYLES = {"detected": "green", "inverted": "bold red", "inconclusive": "yellow"}


def print_demo(console: Console, result: DemoResult, _top: int = 0) -> None:
    """Prints what the demo found, the method's own failures included.

    Args:
        console: Where to.
        result: The findings.
    """
    signs = Marks(console)
    note = f"; {result.provider_note}" if result.provider_note else ""
    placed = f"{result.provider} ({placement_text(result.placement)}{note})"
    examples = list(result.answers.items())[:: max(1, len(result.answers) // _ANSWERS_SHOWN)]
    answers = ", ".join(f"{photo}: {answer}" for photo, answer in examples)
    facts(
        console,
        [
            ("model", f"{result.model}, on {placed}"),
            ("photos", f"{result.photos}, and what the model sees in some: {answers}"),
            (
                "nudge",
                f"gaussian, std {result.scale:g} in pixel space; {result.copies} copies; {len(result.probes)} probes",
            ),
        ],
    )
    console.print()
    console.print(
        fitted(
            console,
            lambda level, _names: _table(signs, result, level),
            levels=5,
            longest=max(len(entry.kind) for entry in result.alterations),
            shortest=100,
        )
    )
    console.print()
    bullets(console, _conclusions(result))
    if result.fallback_nodes:
        bullets(console, [fallback_report(result.fallback_nodes)], style="bold red")


def _table(signs: Marks, result: DemoResult, level: int) -> Table:
    title = "Is the altered photo found stranger? AUROC"
    view = table(f"{title} with its 95% interval: 1 yes, 0.5 a coin, 0 the reverse" if level < 2 else title)
    view.add_column("altered by", no_wrap=True)
    view.add_column("drop", justify="right", no_wrap=True)
    if level < 4:
        view.add_column("turned less", justify="right", no_wrap=True)
    view.add_column("as published", no_wrap=True)
    view.add_column("two-sided", no_wrap=True)
    view.add_column("auto", no_wrap=True)
    if level < 3:
        view.add_column("model's confidence", no_wrap=True)
    for entry in result.alterations:
        view.add_row(
            entry.kind.replace("_", " "),
            f"x{numbers.number(entry.drop_ratio)}",
            *([f"{entry.rotated_less} of {result.photos}"] if level < 4 else []),
            _area(signs, entry.published, interval=level < 2).append(f" {entry.published.verdict}"),
            _area(signs, entry.two_sided, interval=level < 1),
            _area(signs, entry.auto, interval=level < 1),
            *([_area(signs, entry.confidence, interval=level < 1)] if level < 3 else []),
        )
    return view


def _area(signs: Marks, area: Area, *, interval: bool) -> Text:
    verdict = area.verdict
    symbol = {"detected": signs.good, "inverted": signs.bad, "inconclusive": "?"}[verdict]
    bounds = f" [{area.low:.2f}, {area.high:.2f}]" if interval else ""
    return Text(f"{symbol} {area.value:.2f}{bounds}", style=_STYLES[verdict])


def _conclusions(result: DemoResult) -> list[str]:
    """The findings in words, computed from the figures above them."""
    lines = []
    for verdict, start in (
        ("detected", "The published reading of the cosine drop told apart"),
        ("inverted", "It got the wrong way round"),
        ("inconclusive", "It could not tell"),
    ):
        kinds = [_name(entry) for entry in result.alterations if entry.published.verdict == verdict]
        if kinds:
            lines.append(f"{start}: {', '.join(kinds)}.")
    lines.append(
        "As published: a smaller drop is stranger. Two-sided: a drop far from the other photos' is, in either "
        "direction. auto: onnx_ood's default verdict, learnt from the other half of the photos. Model's confidence: a "
        "smaller softmax is."
    )
    both = [entry for entry in result.alterations if entry.two_sided.verdict == "detected"]
    better = sum(entry.auto.verdict == "detected" for entry in result.alterations)
    lines.append(
        f"Read two-sided, against the other photos, the same drops told apart {len(both)} of "
        f"{len(result.alterations)} alterations, and auto {better}. A handful of known-good inputs is what makes a "
        "score believable."
    )
    return lines


def _name(entry: AlterationResult) -> str:
    return entry.kind.replace("_", " ")
