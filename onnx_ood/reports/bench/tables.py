"""Benchmarks of detectors as tables: Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from onnx_ood.audits.bench.result import BenchCorruptions, BenchInterval, BenchResult

# What LaTeX takes for more than the character itself.
_LATEX = {"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$"}
# Detectors of which Markdown and LaTeX have all kinds and severities; CSV has those of all detectors.
_SHOWN = 3


@dataclass(frozen=True)
class _Table:
    """A table.

    Attributes:
        title: What it shows, where that has to be said.
        head: Its columns.
        rows: The name of each row and its other cells.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def to_markdown(result: BenchResult) -> str:
    """AUROCs of all detectors and sets as a Markdown table, the best detector first; then those of corruptions.

    Args:
        result: The benchmark.

    Returns:
        The tables. Mean AUROCs have where 95% of resamples lie behind them.
    """
    return "\n".join(map(_markdown, _tables(result, bounds=True)))


def to_latex(result: BenchResult) -> str:
    """The same as LaTeX tabulars (with booktabs' rules).

    Args:
        result: The benchmark.

    Returns:
        The tabulars alone, without tables around them.
    """
    return "\n".join(map(_latex, _tables(result, bounds=False)))


def to_csv_table(result: BenchResult) -> str:
    """All figures as CSV, one line a detector and set, and one for the mean over sets; the same of corruptions.

    Args:
        result: The benchmark.

    Returns:
        The text; figures in full precision. Lines of corruptions have a severity.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["detector", "set", "severity", "auroc", "auroc_low", "auroc_high", "aupr_in", "aupr_out", "fpr95"]
    )

    def write(
        detector: str, name: str, severity: int | None, area: BenchInterval, *others: float | None
    ) -> None:
        writer.writerow([detector, name, severity, area.value, area.low, area.high, *others])

    none = (None,) * 3
    for one in result.detectors:
        write(one.name, "mean", None, one.macro, *none)
        for figures in one.figures:
            others = figures.aupr_in, figures.aupr_out, figures.fpr95
            write(one.name, figures.set, None, figures.auroc, *others)
    for curves in result.corruptions.detectors if result.corruptions else ():
        lines = [("mean", curves.severities), *((each.kind, each.aurocs) for each in curves.curves)]
        for name, areas in lines:
            for severity, area in enumerate(areas, 1):
                write(curves.detector, name, severity, area, *none)
    return text.getvalue()


def _tables(result: BenchResult, *, bounds: bool) -> list[_Table]:
    """All tables; means with where resamples lie, or without."""
    names = [one.name for one in result.sets]
    rows = [
        (one.name, [_mean(one.macro, bounds), *_figures([each.auroc for each in one.figures])])
        for one in result.detectors
    ]
    tables = [_Table("", ["detector", "mean", *names], rows)]
    return tables + (_of_corruptions(result.corruptions, bounds) if result.corruptions else [])


def _of_corruptions(found: BenchCorruptions, bounds: bool) -> list[_Table]:
    severities = [str(1 + place) for place in range(len(found.detectors[0].severities))]
    rows = [(one.detector, [_mean(one.mean, bounds), *_figures(one.severities)]) for one in found.detectors]
    tables = [
        _Table("Corrupted pictures, mean over kinds by severity", ["detector", "mean", *severities], rows)
    ]
    for one in found.detectors[:_SHOWN]:
        rows = [(each.kind, _figures(each.aurocs)) for each in one.curves]
        tables.append(
            _Table(f"Corrupted pictures, {one.detector} by severity", ["corruption", *severities], rows)
        )
    return tables


def _markdown(table: _Table) -> str:
    lines = [f"{table.title}:", ""] if table.title else []
    lines += [
        "| " + " | ".join(table.head) + " |",
        "|" + "|".join(["---", *["---:"] * (len(table.head) - 1)]) + "|",
        *("| " + " | ".join([f"`{name}`", *cells]) + " |" for name, cells in table.rows),
    ]
    return "\n".join(lines) + "\n"


def _latex(table: _Table) -> str:
    lines = [f"% {table.title}"] if table.title else []
    lines += [
        rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        r"\toprule",
        " & ".join(map(_escaped, table.head)) + r" \\",
        r"\midrule",
        *(" & ".join([_escaped(name), *cells]) + r" \\" for name, cells in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _mean(mean: BenchInterval, bounds: bool) -> str:
    value = _figure(mean.value)
    return f"{value} ({_figure(mean.low)}–{_figure(mean.high)})" if bounds else value


def _figures(areas: Sequence[BenchInterval]) -> list[str]:
    return [_figure(area.value) for area in areas]


def _figure(value: float) -> str:
    return f"{value:.3f}"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
