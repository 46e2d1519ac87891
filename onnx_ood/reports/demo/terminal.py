"""Terminal report of the demo."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.demo.result import Area, DemoResult
from onnx_ood.reports import numbers
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, duration, print_report
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.words import counted
from onnx_ood.results.provenance import fallback_report, placement_text

_STYLES = {"detected": "green", "inverted": "bold red", "inconclusive": "yellow"}
_LEGEND = (
    "as published: a smaller drop is unusual; two-sided: a drop far from those of the other photos, in either "
    "direction; auto: the default detector of onnx-ood score, fitted to the other half of the photos; confidence: a "
    "smaller largest softmax probability",
    "AUROC of altered against original photos: 1 perfect, 0.5 chance, 0 inverted; drop: median of "
    "altered over original",
)


def print_demo(console: Console, result: DemoResult, options: ReportOptions = DEFAULTS) -> None:
    """Print how well scores detect altered photos, failures included.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    signs = Marks(console)
    print_report(
        console,
        Answer(
            _headline(result),
            warnings=[fallback_report(result.fallback_nodes) if result.fallback_nodes else ""],
            verbose=options.verbose,
        ),
        fitted(
            console,
            lambda level, _names: _table(signs, result, level),
            levels=5,
            longest=max(len(entry.kind) for entry in result.alterations),
            shortest=100,
        ),
        bullets(_LEGEND, style="dim"),
        facts(_settings(result)) if options.verbose else None,
        foot=closing(
            console,
            "Next: onnx-ood score MODEL INPUTS --reference KNOWN_GOOD",
            [result.model, f"{result.photos} photos", result.provider, duration(options.seconds)],
        ),
    )


def _headline(result: DemoResult) -> str:
    """Count the alterations by what the intervals support."""
    published = [entry.published.verdict for entry in result.alterations]
    parts = [
        f"{verdict} for {published.count(verdict)}"
        for verdict in ("inverted", "inconclusive")
        if verdict in published
    ]
    areas = counted(len(result.alterations), "alteration")
    found = _detected(entry.published for entry in result.alterations)
    auto = _detected(entry.auto for entry in result.alterations)
    others = f" ({', '.join(parts)})" if parts else ""
    return f"A smaller cosine drop detects {found} of {areas}{others}; auto detects {auto}"


def _detected(areas: Iterable[Area]) -> int:
    return sum(area.verdict == "detected" for area in areas)


def _settings(result: DemoResult) -> list[tuple[str, str]]:
    note = f"; {result.provider_note}" if result.provider_note else ""
    return [
        ("model", result.model),
        ("provider", f"{result.provider} ({placement_text(result.placement)}{note})"),
        (
            "nudge",
            f"gaussian, std {result.scale:g} in pixel space; {result.copies} copies; {len(result.probes)} probes",
        ),
        ("answers", ", ".join(f"{photo}: {answer}" for photo, answer in result.answers.items())),
    ]


def _table(signs: Marks, result: DemoResult, level: int) -> Table:
    view = table()
    view.add_column("altered by", no_wrap=True)
    view.add_column("drop", justify="right", no_wrap=True)
    if level < 4:
        view.add_column("rotated less", justify="right", no_wrap=True)
    view.add_column("as published", no_wrap=True)
    view.add_column("two-sided", no_wrap=True)
    view.add_column("auto", no_wrap=True)
    if level < 3:
        view.add_column("confidence", no_wrap=True)
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
