"""Marks, bars and sparklines of terminal reports, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from rich.console import Console

_EIGHTHS = "▁▂▃▄▅▆▇█"
_ENDS = " ▏▎▍▌▋▊▉"
_ASCII_LEVELS = "_.-=+*#@"


class Marks:
    """Characters for one console: block elements, or ASCII if its encoding has no others."""

    def __init__(self, console: Console) -> None:
        """Choose characters by the encoding of a console."""
        self._ascii = console.options.ascii_only
        self.levels = _ASCII_LEVELS if self._ascii else _EIGHTHS
        self.more = "+" if self._ascii else "▲"
        self.less = "-" if self._ascii else "▼"
        self.plus_minus = "+-" if self._ascii else "±"
        self.good = "ok" if self._ascii else "✓"
        self.bad = "!!" if self._ascii else "✗"
        self.dot = "-" if self._ascii else "·"
        self.arrow = "->" if self._ascii else "→"
        self.separator = "|" if self._ascii else "·"

    def profile(self, deviations: Sequence[float | None], limit: float = 4.0) -> str:
        """Draw signed deviations as a sparkline: 0 in the middle, positive high, negative low.

        Args:
            deviations: One value per probe; None leaves a gap.
            limit: Deviation at which a mark reaches the top or the bottom.
        """
        steps = len(self.levels) - 1
        marks = []
        for value in deviations:
            if value is None:
                marks.append(" ")
                continue
            share = (max(-limit, min(limit, value)) + limit) / (2 * limit)
            marks.append(self.levels[round(share * steps)])
        return "".join(marks)

    def bar(self, value: float | None, low: float, high: float, width: int = 10) -> str:
        """Draw a positive value as a bar, on a logarithmic scale from `low` (one mark) to `high`."""
        if value is None or value <= 0:
            return ""
        share = 1.0 if high <= low else (log10(value) - log10(low)) / (log10(high) - log10(low))
        cells = 1 + round(max(0.0, min(1.0, share)) * (width - 1))
        return ("#" if self._ascii else "█") * cells

    def share(self, value: float, highest: float, width: int) -> str:
        """Draw a value from 0 to `highest` as a bar, in eighths of a mark."""
        eighths = round(8 * width * value / highest) if highest > 0 else 0
        if self._ascii:
            return "#" * round(eighths / 8)
        return ("█" * (eighths // 8) + _ENDS[eighths % 8]).rstrip()
