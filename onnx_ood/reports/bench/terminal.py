"""The bench audit on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.bench.result import BenchDetector, BenchResult
from onnx_ood.reports import words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.bench.facts import area, between, flag_words
from onnx_ood.reports.bench.severity_curves import print_corruptions

# What a set's column takes, and what is between columns.
_CELL = 8
_GAP = 3


def print_bench(console: Console, result: BenchResult, top: int) -> None:
    """Prints how well detectors do.

    Args:
        console: Where to.
        result: The result.
        top: How many failed inputs to list.
    """
    view = Marks(console)
    failed = [*result.failed, *(failure for one in result.sets for failure in one.failed)]
    kind = "crops of bundled photos for references" if result.reference == "bundled" else "references"
    references = f", {result.references} {kind}" if result.references else ""
    facts(
        console,
        [
            ("model", result.model.path),
            ("preprocessing", result.preprocessing or ""),
            ("runs on", result.provider),
            ("ordinary", f"{result.id} inputs{references}, {len(failed)} failed"),
            ("cache", _cache(result)),
            ("sets", ", ".join(f"{one.name} ({one.inputs})" for one in result.sets)),
        ],
    )
    console.print()
    longest = max(len(_name(detector)) for detector in result.detectors)
    console.print(
        fitted(console, lambda _, width: _detectors(result, view, width), levels=1, longest=longest)
    )
    if result.flags:
        console.print()
        bullets(console, flag_words(result.flags))
    width = 20
    for part in _parts(console, result, width):
        console.print()
        console.print(_sets(result, part, width))
    if result.corruptions:
        print_corruptions(console, result.corruptions)
    if result.not_applicable:
        console.print()
        bullets(
            console,
            [f"{name}: {reason}" for name, reason in result.not_applicable.items()],
            style="dim",
        )
    if failed:
        console.print()
        bullets(console, [f"failed: {failure.id}: {failure.reason}" for failure in failed[:top]], style="red")
    if result.notes:
        console.print()
        bullets(console, result.notes, style="dim")


def _cache(result: BenchResult) -> str:
    if result.cache is None:
        return ""
    return f"{result.cache.found:,} inputs found, {result.cache.measured:,} measured, altered and made ones included"


def _name(detector: BenchDetector) -> str:
    return detector.name + (" *" if detector.reference else "")


def _detectors(result: BenchResult, view: Marks, width: int) -> Table:
    grid = table(
        "Mean AUROC over sets, the best detector first",
        f"Intervals: 95% of {result.resamples:,} resamples. Behind: paired with the best.",
    )
    grid.add_column("detector", no_wrap=True)
    for name in ("AUROC", "95%", "behind"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("worst on", no_wrap=True)
    for detector in result.detectors:
        grid.add_row(
            Text(words.shorten_middle(_name(detector), width)),
            area(detector.macro.value),
            Text(between(detector.macro), style="dim"),
            Text(_behind(detector, view)),
            Text(f"{detector.worst.set} {detector.worst.auroc.value:.2f}"),
        )
    if any(detector.reference for detector in result.detectors):
        grid.caption = f"{grid.caption} * learns from references."
    return grid


def _parts(console: Console, result: BenchResult, width: int) -> list[range]:
    """Sets that fit side by side."""
    fitting = max(1, (console.width - width) // (_CELL + _GAP))
    count = len(result.sets)
    return [range(start, min(start + fitting, count)) for start in range(0, count, fitting)]


def _sets(result: BenchResult, part: range, width: int) -> Table:
    grid = table("AUROC" if part.start == 0 else "AUROC, continued")
    grid.add_column("detector", no_wrap=True, width=width)
    for i in part:
        parts = result.sets[i].name.replace("_", " ").split()
        heading = "\n".join(words.shorten_middle(part, _CELL) for part in parts)
        grid.add_column(heading, justify="right", no_wrap=True, width=_CELL)
    for detector in result.detectors:
        name = Text(words.shorten_middle(detector.name, width))
        grid.add_row(name, *(area(detector.metrics[i].auroc.value) for i in part))
    return grid


def _behind(detector: BenchDetector, view: Marks) -> str:
    behind = detector.gap_to_best
    if behind.value == 0:
        return "-"
    return f"{behind.value:.3f} {view.plus_minus} {(behind.high - behind.low) / 2:.3f}"
