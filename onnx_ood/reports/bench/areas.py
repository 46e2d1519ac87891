"""AUROCs on a terminal."""

from __future__ import annotations

from rich.text import Text

from onnx_ood.audits.bench.result import BenchInterval

# AUROCs at which a cell changes its style: what is no better than a guess, and what is good.
_GUESS = 0.6
_GOOD = 0.9


def area(value: float) -> Text:
    """An AUROC; what is hardly better than a guess is bracketed too, for those who see no colours."""
    if value < _GUESS:
        return Text(f"({value:.2f})", style="red")
    return Text(f"{value:.2f}", style="green" if value >= _GOOD else "")


def between(found: BenchInterval) -> str:
    """Where the resamples of an AUROC lie."""
    return f"{found.low:.2f}-{found.high:.2f}"
