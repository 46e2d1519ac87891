"""Bench results in words, shared by terminal and page."""

from __future__ import annotations

from rich.text import Text

from onnx_ood.audits.bench.result import BenchDetector, BenchFlags, BenchInterval, BenchResult, BenchSet
from onnx_ood.reports import numbers
from onnx_ood.reports.words import too_few

# AUROCs at which a cell changes its style: near chance, and good.
CHANCE = 0.5
_GUESS = 0.6
NEAR_CHANCE = f"In parentheses: below {_GUESS:.2f}, close to chance ({CHANCE}) or worse"
"""Caption of AUROCs formatted by `area`."""
_GOOD = 0.9
# Detectors that the headline names besides the first.
_MOST_NEAR = 5


def headline(result: BenchResult) -> str:
    """State the result in one line."""
    sets = result.evaluated_sets
    if not sets or not result.detectors:
        return f"Not evaluated: {_too_few(result)}"
    best = result.detectors[0]
    if better_than_chance(result):
        count = len(result.detectors)
        praise = "comes first" if result.near_best else "is the best"
        name = f"{best.name} {praise} of {count} detectors" if count > 1 else best.name
        text = f"{name}: mean AUROC {best.macro.value:.2f}"
    else:
        text = f"No detector is better than chance (best: {best.name}, mean AUROC {best.macro.value:.2f})"
    if len(sets) > 1:
        worst = result.worst_set(best)
        text += f", lowest on {worst.set} ({worst.auroc.value:.2f})"
    if result.near_best and better_than_chance(result):
        text += f"; not distinguishable from: {', '.join(result.near_best[:_MOST_NEAR])}"
        text += f" and {left:,} more" if (left := len(result.near_best) - _MOST_NEAR) > 0 else ""
    return text


def better_than_chance(result: BenchResult) -> bool:
    """Return True if a detector has a mean AUROC above 0.5."""
    return any(one.macro.value > CHANCE for one in result.detectors)


def not_evaluated_note(result: BenchResult) -> str:
    """Name sets that count in no mean although others do; empty if there are none."""
    small = result.evaluated_sets and len(result.evaluated_sets) < len(result.sets)
    return f"Not in means: {_too_few(result)}" if small else ""


def _too_few(result: BenchResult) -> str:
    return too_few(result.id, ((one.name, one.inputs) for one in result.sets))


def set_heading(one: BenchSet) -> str:
    """Name of a set, with a note if it is too small to count in means."""
    return one.name.replace("_", " ") + (f" ({one.too_few})" if one.too_few else "")


def starred(detector: BenchDetector) -> str:
    """Name of a detector, with a star if it learns from references."""
    return detector.name + (" *" if detector.reference else "")


def flag_words(flags: BenchFlags) -> list[str]:
    """Describe flags: their detector, the share of in-distribution inputs, and of each set.

    Args:
        flags: Flagged shares.
    """
    usual, rate = flags.id, f"{100 * flags.fpr:g}%"
    caught = ", ".join(f"{name} {numbers.percent(share)}" for name, share in flags.sets.items())
    interval = f"{numbers.percent(usual.low)} to {numbers.percent(usual.high)}"
    return [
        f"flagged by {flags.detector} at a false-positive rate of {rate}: {numbers.percent(usual.value)} of "
        f"in-distribution inputs ({interval})",
        f"flagged inputs of the sets: {caught}",
    ]


def area(value: float) -> Text:
    """Format an AUROC; values near or below chance are in parentheses."""
    if near_chance(value):
        return Text(f"({value:.2f})", style="red")
    return Text(f"{value:.2f}", style="green" if value >= _GOOD else "")


def near_chance(value: float) -> bool:
    """Return True for an AUROC near or below chance."""
    return value < _GUESS


def between(found: BenchInterval) -> str:
    """Format the interval of an AUROC."""
    return f"{found.low:.2f}-{found.high:.2f}"
