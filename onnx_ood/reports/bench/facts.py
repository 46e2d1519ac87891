"""Facts of a benchmark in words: the same on a terminal and on a page."""

from __future__ import annotations

from rich.text import Text

from onnx_ood.audits.bench.result import BenchFlags, BenchInterval
from onnx_ood.reports import numbers

# AUROCs at which a cell changes its style: no better than chance, and good.
_GUESS = 0.6
_GOOD = 0.9


def flag_words(flags: BenchFlags) -> list[str]:
    """Verdicts in words: how many ordinary inputs are flagged, and how many of each set.

    Args:
        flags: What is flagged.
    """
    usual = flags.id
    caught = ", ".join(f"{name} {numbers.percent(share)}" for name, share in flags.sets.items())
    interval = f"{numbers.percent(usual.low)} to {numbers.percent(usual.high)}"
    return [
        f"flagged at a false-positive rate of {numbers.percent(flags.fpr)}: {numbers.percent(usual.value)} of the "
        f"ordinary inputs ({interval})",
        f"and of the sets: {caught}",
    ]


def area(value: float) -> Text:
    """An AUROC; what is hardly better than a guess is bracketed too, for those who see no colours."""
    if value < _GUESS:
        return Text(f"({value:.2f})", style="red")
    return Text(f"{value:.2f}", style="green" if value >= _GOOD else "")


def between(found: BenchInterval) -> str:
    """Where the resamples of an AUROC lie."""
    return f"{found.low:.2f}-{found.high:.2f}"
