"""Tables of the bench audit, shared by Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.audits.bench.result import BenchCorruptions, BenchInterval, BenchResult
from onnx_ood.reports.escaping import escaped

# Detectors with a table of AUROC per corruption and severity; CSV has all of them.
_MAX_DETECTORS = 3


@dataclass(frozen=True)
class BenchTable:
    """A table of AUROCs.

    Attributes:
        title: Title; empty for the main table.
        head: Column names.
        rows: Name and cells of each row.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def bench_tables(result: BenchResult, *, bounds: bool) -> list[BenchTable]:
    """Return all tables, best detector first.

    Args:
        result: Benchmark.
        bounds: Add the 95% bootstrap interval to means.
    """
    result = escaped(result)
    names = [f"{one.name} ({one.too_few})" if one.too_few else one.name for one in result.sets]
    rows = [
        (
            one.name,
            [
                _mean(one.macro, bounds) if result.evaluated_sets else "",
                *_figures([each.auroc for each in one.metrics]),
            ],
        )
        for one in result.detectors
    ]
    tables = [BenchTable("", ["detector", "mean", *names], rows)]
    return tables + (_of_corruptions(result.corruptions, bounds) if result.corruptions else [])


def _of_corruptions(found: BenchCorruptions, bounds: bool) -> list[BenchTable]:
    severities = [str(1 + place) for place in range(len(found.detectors[0].severities))]
    rows = [(one.detector, [_mean(one.mean, bounds), *_figures(one.severities)]) for one in found.detectors]
    tables = [
        BenchTable(
            "Corrupted images, mean over corruptions by severity", ["detector", "mean", *severities], rows
        )
    ]
    for one in found.detectors[:_MAX_DETECTORS]:
        rows = [(each.corruption, _figures(each.aurocs)) for each in one.curves]
        tables.append(
            BenchTable(f"Corrupted images, {one.detector} by severity", ["corruption", *severities], rows)
        )
    return tables


def _mean(mean: BenchInterval, bounds: bool) -> str:
    value = _figure(mean.value)
    return f"{value} ({_figure(mean.low)}–{_figure(mean.high)})" if bounds else value


def _figures(areas: Sequence[BenchInterval]) -> list[str]:
    return [_figure(area.value) for area in areas]


def _figure(value: float) -> str:
    return f"{value:.3f}"
