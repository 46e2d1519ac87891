"""Severity curves on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.bench.result import BenchCorruptions, CorruptionMetrics
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import bullets, fitted, table
from onnx_ood.reports.bench.facts import NEAR_CHANCE, area, between
from onnx_ood.reports.words import shorten, shorten_middle

# Other detectors with a column of curves, if there is room.
_MAX_OTHERS = 3
_LONGEST = 18


def corruption_tables(console: Console, found: BenchCorruptions) -> list[Table | None]:
    """Make the tables of corruptions, and the notes.

    Args:
        console: Console to print to.
        found: The curves.
    """
    view = Marks(console)
    names = max(len(one.detector) for one in found.detectors)
    longest = max(map(len, found.corruptions))
    levels = min(_MAX_OTHERS, len(found.detectors) - 1) + 1
    return [
        fitted(
            console,
            lambda level, width: _detectors(found, width, bounds=level == 0),
            levels=2,
            longest=names,
            shortest=names,
        ),
        fitted(
            console,
            lambda level, width: _corruptions(found, view, levels - 1 - level, width),
            levels=levels,
            longest=longest,
            shortest=longest,
        ),
        bullets(
            [*(f"{name}: {reason}" for name, reason in found.left_out.items()), *found.notes], style="dim"
        ),
    ]


def _detectors(found: BenchCorruptions, width: int, *, bounds: bool) -> Table:
    """Make the table of all detectors, with or without intervals."""
    names = f"{len(found.corruptions)} corruptions" if len(found.corruptions) > 1 else found.corruptions[0]
    grid = table(
        f"AUROC of pictures with {names}, by severity",
        f"{found.inputs} pictures, each corrupted in all ways. {NEAR_CHANCE}.",
    )
    grid.add_column("detector", no_wrap=True)
    for name in ("mean", *(("95%",) if bounds else ()), *_severities(found)):
        grid.add_column(name, justify="right", no_wrap=True)
    for one in found.detectors:
        grid.add_row(
            Text(shorten_middle(one.detector, width)),
            area(one.mean.value),
            *((Text(between(one.mean), style="dim"),) if bounds else ()),
            *(area(each.value) for each in one.severities),
        )
    return grid


def _corruptions(found: BenchCorruptions, view: Marks, count: int, width: int) -> Table:
    """Make the table of the best detector by corruption, with curves of some others."""
    best, *others = found.detectors[: 1 + count]
    low, high, last = view.levels[0], view.levels[-1], len(best.severities)
    grid = table(
        f"AUROC of {best.detector} by corruption and severity",
        f"Marks: severities 1 to {last}, from 0.5 or less ({low}) to 1 ({high})"
        + (f"; then the AUROC at {last}." if others else "."),
    )
    grid.add_column("corruption", no_wrap=True)
    for name in _severities(found):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("")
    for one in others:
        grid.add_column(shorten_middle(one.detector, _LONGEST), no_wrap=True)
    for place, curve in enumerate(best.curves):
        grid.add_row(
            Text(shorten(curve.corruption, width)),
            *(area(each.value) for each in curve.aurocs),
            _marks(best, place, view),
            *(
                _marks(one, place, view) + Text(" ") + area(one.curves[place].aurocs[-1].value)
                for one in others
            ),
        )
    return grid


def _marks(one: CorruptionMetrics, place: int, view: Marks) -> Text:
    steps = len(view.levels) - 1
    shares = [max(0.0, 2 * each.value - 1) for each in one.curves[place].aurocs]
    return Text("".join(view.levels[round(steps * share)] for share in shares))


def _severities(found: BenchCorruptions) -> list[str]:
    return [str(1 + place) for place in range(len(found.detectors[0].severities))]
