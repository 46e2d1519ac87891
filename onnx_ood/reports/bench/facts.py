"""Bench results in words, shared by terminal and page."""

from __future__ import annotations

from rich.text import Text

from onnx_ood.audits.bench.result import BenchDetector, BenchFlags, BenchInterval, BenchResult
from onnx_ood.reports import numbers

# AUROCs at which a cell changes its style: near chance, and good.
_GUESS = 0.6
_GOOD = 0.9


def headline(result: BenchResult) -> str:
    """State the result in one line."""
    if result.status == "not_evaluated" or not result.detectors:
        return "Not evaluated"
    best = result.detectors[0]
    return f"{best.name} does best: mean AUROC {best.macro.value:.2f} ({between(best.macro)})"


def starred(detector: BenchDetector) -> str:
    """Name of a detector, with a star if it learns from references."""
    return detector.name + (" *" if detector.reference else "")


def flag_words(flags: BenchFlags) -> list[str]:
    """Describe flags: the share of in-distribution inputs, and of each set.

    Args:
        flags: Flagged shares.
    """
    usual = flags.id
    caught = ", ".join(f"{name} {numbers.percent(share)}" for name, share in flags.sets.items())
    interval = f"{numbers.percent(usual.low)} to {numbers.percent(usual.high)}"
    return [
        f"flagged at a false-positive rate of {100 * flags.fpr:g}%: {numbers.percent(usual.value)} of in-distribution "
        f"inputs ({interval})",
        f"flagged inputs of the sets: {caught}",
    ]


def area(value: float) -> Text:
    """Format an AUROC; values near chance are in brackets."""
    if value < _GUESS:
        return Text(f"({value:.2f})", style="red")
    return Text(f"{value:.2f}", style="green" if value >= _GOOD else "")


def between(found: BenchInterval) -> str:
    """Format the interval of an AUROC."""
    return f"{found.low:.2f}-{found.high:.2f}"
