"""Benchmarks of detectors as tables: Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
from io import StringIO

from onnx_ood.audits.bench_result import BenchDetector, BenchResult

# What LaTeX takes for more than the character itself.
_LATEX = {"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$"}


def to_markdown(result: BenchResult) -> str:
    """AUROCs of all detectors and sets as a Markdown table, the best detector first.

    Args:
        result: The benchmark.

    Returns:
        The table. Mean AUROCs have where 95% of resamples lie behind them.
    """
    head = ["detector", "mean", *(one.name for one in result.sets)]
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"]
    for detector in result.detectors:
        macro = detector.macro
        cells = [
            f"`{detector.name}`",
            f"{_figure(macro.value)} ({_figure(macro.low)}–{_figure(macro.high)})",
            *_aurocs(detector),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def to_latex(result: BenchResult) -> str:
    """The same as a LaTeX tabular (with booktabs' rules).

    Args:
        result: The benchmark.

    Returns:
        The tabular alone, without a table around it.
    """
    head = ["detector", "mean", *(one.name for one in result.sets)]
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(map(_escaped, head)) + r" \\",
    ]
    lines.append(r"\midrule")
    for detector in result.detectors:
        cells = [_escaped(detector.name), _figure(detector.macro.value), *_aurocs(detector)]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def to_csv_table(result: BenchResult) -> str:
    """All figures as CSV, one line a detector and set, and one for the mean over sets.

    Args:
        result: The benchmark.

    Returns:
        The text; figures in full precision.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["detector", "set", "auroc", "auroc_low", "auroc_high", "aupr_in", "aupr_out", "fpr95"])
    for detector in result.detectors:
        macro = detector.macro
        writer.writerow([detector.name, "mean", macro.value, macro.low, macro.high, None, None, None])
        for one in detector.figures:
            area = one.auroc
            writer.writerow(
                [
                    detector.name,
                    one.set,
                    area.value,
                    area.low,
                    area.high,
                    one.aupr_in,
                    one.aupr_out,
                    one.fpr95,
                ]
            )
    return text.getvalue()


def _aurocs(detector: BenchDetector) -> list[str]:
    return [_figure(one.auroc.value) for one in detector.figures]


def _figure(value: float) -> str:
    return f"{value:.3f}"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
