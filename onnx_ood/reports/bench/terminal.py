"""Terminal report of the bench audit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.bench.result import BenchDetector, BenchProtocol, BenchResult
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, duration, print_report
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table, titled
from onnx_ood.reports.bench.facts import (
    NEAR_CHANCE,
    area,
    between,
    flag_words,
    headline,
    near_chance,
    not_evaluated_note,
    starred,
)
from onnx_ood.reports.bench.protocol_rows import percent_interval, protocol_rows
from onnx_ood.reports.bench.severity_curves import corruption_tables
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions

# Widths of the column of a detector or set, of the space between columns, and of the first column.
_CELL, _GAP, _NAME = 10, 3, 18
# Rows of the table of a protocol in a brief report, and its columns with intervals.
_PROTOCOL_ROWS, _INTERVALS = 12, 2


def print_bench(console: Console, result: BenchResult, options: ReportOptions = DEFAULTS) -> None:
    """Print how well detectors separate out-of-distribution inputs.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    view = Marks(console)
    failed = [*result.failed, *(failure for one in result.sets for failure in one.failed)]
    fitting = max(1, (console.width - _NAME) // (_CELL + _GAP) - bool(result.flags))
    shown = result.detectors[: min(options.top or fitting, fitting)]
    many_flags = result.flags is not None and result.flags.id.low > result.flags.fpr
    left_out = 0 if options.verbose else len(result.detectors) - len(shown)
    print_report(
        console,
        Answer(
            headline(result),
            warnings=[
                not_evaluated_note(result),
                words.failure_text(failed),
                flag_words(result.flags)[0] if result.flags and many_flags else "",
                *(result.protocol.notes if result.protocol else ()),
                *result.notes,
                _left_out_detectors(result, options),
            ],
            verbose=options.verbose,
        ),
        _best(result, shown, view) if shown else None,
        _protocol(console, result.protocol, view, options) if result.protocol else None,
        *(corruption_tables(console, result.corruptions) if result.corruptions else ()),
        *(_details(console, result, view) if options.verbose else ()),
        foot=closing(
            console,
            f"{words.counted(left_out, 'other detector')}: -v, or --html report.html" if left_out > 0 else "",
            [
                words.file_name(result.model.path),
                words.counted(result.id, "in-distribution input"),
                result.provider,
                duration(options.seconds),
            ],
            more="" if options.verbose else "details",
        ),
    )


def _left_out_detectors(result: BenchResult, options: ReportOptions) -> str:
    count = len(result.not_applicable)
    return (
        f"{words.counted(count, 'detector')} left out; --verbose says why"
        if count and not options.verbose
        else ""
    )


def _best(result: BenchResult, detectors: Sequence[BenchDetector], view: Marks) -> Table:
    """Make the table of the best detectors: one column per detector, one row per set."""
    flags = result.flags
    areas = [area for one in detectors for area in (one.macro, *(metrics.auroc for metrics in one.metrics))]
    captions = [
        f"{NEAR_CHANCE}." if any(near_chance(one.value) for one in areas) else "",
        f"{view.plus_minus} half of the interval of 95% of resamples."
        if result.evaluated_sets and any(one.gap_to_best.value for one in detectors)
        else "",
        flag_words(flags)[0] if flags and flags.id.low <= flags.fpr else "",
    ]
    grid = table(caption="\n".join(filter(None, captions)) or None)
    grid.add_column("AUROC", no_wrap=True)
    for one in detectors:
        grid.add_column(_heading(one.name), justify="right", no_wrap=True)
    if flags:
        grid.add_column(f"flagged by\n{_heading(flags.detector)}", justify="right", no_wrap=True)
    if result.evaluated_sets:
        grid.add_row("mean over sets", *(area(one.macro.value) for one in detectors))
        grid.add_row("  95%", *(Text(between(one.macro), style="dim") for one in detectors))
        gaps = [_gap(one, view) for one in detectors]
        grid.add_row("  gap to the best", *(Text(gap, style="dim") for gap in gaps), end_section=True)
    for place, one_set in enumerate(result.sets):
        cells = [area(one.metrics[place].auroc.value) for one in detectors]
        share = [numbers.percent(flags.sets[one_set.name])] if flags else []
        grid.add_row(Text(words.shorten_middle(one_set.name, _NAME)), *cells, *share)
        if one_set.too_few:
            grid.add_row(Text(f"  {one_set.too_few}", style="yellow"))
    return grid


def _protocol(console: Console, found: BenchProtocol, view: Marks, options: ReportOptions) -> RenderableType:
    """Make the table of a protocol: means over near and far sets, with published ones."""
    rows = protocol_rows(found)
    shown = rows if options.verbose else rows[: options.top or _PROTOCOL_ROWS]
    accuracy = f", accuracy {percent_interval(found.accuracy)}" if found.accuracy else ""

    def build(level: int, width: int) -> Table:
        grid = table(
            f"{found.title}{accuracy}",
            f"Mean AUROC and FPR@95 in percent, as OpenOOD computes them; intervals: 95% of {found.resamples} "
            f"resamples. Published: {found.published_net}.",
        )
        heads = ["near", "far", "near FPR@95", "far FPR@95", "published near", "published far"]
        kept = [place for place in range(len(heads)) if not (level and heads[place].endswith("FPR@95"))]
        grid.add_column("detector", no_wrap=True)
        for place in kept:
            grid.add_column(heads[place], justify="right", no_wrap=place < _INTERVALS)
        for row in shown:
            cells = [row[1 + place].replace("±", view.plus_minus) for place in kept]
            grid.add_row(Text(words.shorten_middle(row.name, width)), *cells)
        return grid

    return fitted(console, build, levels=2, longest=max(len(row.name) for row in shown))


def _heading(name: str) -> str:
    return "\n".join(words.shorten_middle(part, _CELL) for part in name.split("_"))


def _details(console: Console, result: BenchResult, view: Marks) -> list[RenderableType | None]:
    """Parts that only a verbose report has."""
    failed = [*result.failed, *(failure for one in result.sets for failure in one.failed)]
    longest = max((len(starred(detector)) for detector in result.detectors), default=1)
    return [
        fitted(console, lambda _, width: _detectors(result, view, width), levels=1, longest=longest),
        *(_sets(result, part) for part in _parts(console, result)),
        facts(_facts(result)),
        titled("Detectors that were left out", bullets(words.by_reason(result.not_applicable.items()))),
        titled(
            "Inputs that could not be measured",
            bullets(words.by_reason((one.id, one.reason) for one in failed)),
        ),
    ]


def _facts(result: BenchResult) -> list[tuple[str, str]]:
    kind = "crops of bundled photos" if result.reference == "bundled" else "given"
    return [
        ("model", result.model.path),
        ("preprocessing", result.preprocessing or ""),
        ("in-distribution", words.counted(result.id, "input")),
        ("references", f"{result.references:,}, {kind}" if result.references else "none"),
        ("sets", ", ".join(f"{one.name} ({one.inputs})" for one in result.sets)),
        ("cache", _cache(result)),
    ]


def _cache(result: BenchResult) -> str:
    if result.cache is None:
        return ""
    return f"{result.cache.found:,} inputs found, {result.cache.measured:,} measured, synthetic ones included"


def _detectors(result: BenchResult, view: Marks, width: int) -> Table:
    fitted_ones = " * fitted to references." if any(one.reference for one in result.detectors) else ""
    grid = table(
        "All detectors",
        f"Intervals: 95% of {result.resamples:,} resamples, for gaps paired with the best.{fitted_ones}",
    )
    grid.add_column("detector", no_wrap=True)
    for name in ("mean AUROC", "95%", "gap to the best"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("lowest on", no_wrap=True)
    for detector in result.detectors:
        worst = result.worst_set(detector)
        grid.add_row(
            Text(words.shorten_middle(starred(detector), width)),
            area(detector.macro.value),
            Text(between(detector.macro), style="dim"),
            Text(_gap(detector, view)),
            Text(f"{worst.set} {worst.auroc.value:.2f}"),
        )
    return grid


def _parts(console: Console, result: BenchResult) -> list[range]:
    """Split the sets into ranges that fit side by side."""
    fitting = max(1, (console.width - _NAME) // (_CELL + _GAP))
    count = len(result.sets)
    return [range(start, min(start + fitting, count)) for start in range(0, count, fitting)]


def _sets(result: BenchResult, part: range) -> Table:
    grid = table("AUROC by set" if part.start == 0 else "AUROC by set, continued")
    grid.add_column("detector", no_wrap=True, width=_NAME)
    for i in part:
        parts = result.sets[i].name.replace("_", " ").split()
        heading = "\n".join(words.shorten_middle(part, _CELL) for part in parts)
        grid.add_column(heading, justify="right", no_wrap=True, width=_CELL)
    for detector in result.detectors:
        name = Text(words.shorten_middle(detector.name, _NAME))
        grid.add_row(name, *(area(detector.metrics[i].auroc.value) for i in part))
    return grid


def _gap(detector: BenchDetector, view: Marks) -> str:
    gap = detector.gap_to_best
    if gap.value == 0:
        return "-"
    return f"{gap.value:.2f} {view.plus_minus}{(gap.high - gap.low) / 2:.2f}"
