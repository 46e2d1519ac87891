"""Results of the score and bench audits as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from io import StringIO

from onnx_ood.audits.bench.result import BenchInterval, BenchResult
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.score.table import table_columns
from onnx_ood.reports.escaping import cell


def _writer(text: StringIO) -> Callable[[Iterable[object]], object]:
    """Return a function that writes a row whose texts are safe to open in a spreadsheet."""
    writer = csv.writer(text, lineterminator="\n")
    return lambda row: writer.writerow(list(map(cell, row)))


def score_csv(result: ScoreResult) -> str:
    """Render a score result as CSV: one line per input, most unusual first, then failed inputs."""
    text = StringIO()
    write_row = _writer(text)
    write_row(table_columns(result.detectors, (probe.name for probe in result.probes), result.terms))
    for row in result.rows():
        write_row(row.values())
    return text.getvalue()


def bench_csv(result: BenchResult) -> str:
    """Render all metrics as CSV: one line per detector and set, then one per detector, corruption and severity.

    Args:
        result: Benchmark.

    Returns:
        CSV text in full precision. Means over sets have `set` = "mean"; only lines of corruptions have a severity, only
        sets that are too small to count in means a note.
    """
    text = StringIO()
    write_row = _writer(text)
    write_row(
        [
            "detector",
            "set",
            "severity",
            "auroc",
            "auroc_low",
            "auroc_high",
            "aupr_in",
            "aupr_out",
            "fpr95",
            "note",
        ]
    )
    notes = {one.name: one.too_few for one in result.sets}

    def write(
        detector: str, name: str, severity: int | None, area: BenchInterval, *others: float | str | None
    ) -> None:
        write_row([detector, name, severity, area.value, area.low, area.high, *others])

    none = (None,) * 4
    for one in result.detectors:
        if result.evaluated_sets:
            write(one.name, "mean", None, one.macro, *none)
        for figures in one.metrics:
            others = figures.aupr_in, figures.aupr_out, figures.fpr95, notes[figures.set] or None
            write(one.name, figures.set, None, figures.auroc, *others)
    for curves in result.corruptions.detectors if result.corruptions else ():
        lines = [("mean", curves.severities), *((each.corruption, each.aurocs) for each in curves.curves)]
        for name, areas in lines:
            for severity, area in enumerate(areas, 1):
                write(curves.detector, name, severity, area, *none)
    return text.getvalue()
