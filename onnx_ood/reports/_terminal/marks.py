"""Small marks of terminal reports: numbers, bars and sparklines that read without colour."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from rich.console import Console

_EIGHTHS = "▁▂▃▄▅▆▇█"
_ENDS = " ▏▎▍▌▋▊▉"
_ASCII_LEVELS = "_.-=+*#@"


class Marks:
    """Characters for one console: block elements, or ASCII where the output can't encode them."""

    def __init__(self, console: Console) -> None:
        """Looks at the console's encoding."""
        self._ascii = console.options.ascii_only
        self.levels = _ASCII_LEVELS if self._ascii else _EIGHTHS
        self.more = "+" if self._ascii else "▲"
        self.less = "-" if self._ascii else "▼"
        self.plus_minus = "+-" if self._ascii else "±"
        self.good = "ok" if self._ascii else "✓"
        self.bad = "!!" if self._ascii else "✗"
        self.dot = "-" if self._ascii else "·"

    def profile(self, deviations: Sequence[float | None], limit: float = 4.0) -> str:
        """A sparkline of signed deviations: the middle is "as usual", high is more, low is less.

        Args:
            deviations: One value per probe; None is left empty.
            limit: The deviation at which a mark reaches the top or the bottom.
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
        """A horizontal bar for a positive value on a logarithmic scale from `low` (one mark) to `high`."""
        if value is None or value <= 0:
            return ""
        share = 1.0 if high <= low else (log10(value) - log10(low)) / (log10(high) - log10(low))
        cells = 1 + round(max(0.0, min(1.0, share)) * (width - 1))
        return ("#" if self._ascii else "█") * cells

    def share(self, value: float, highest: float, width: int) -> str:
        """A horizontal bar from 0, in proportion to a value that is at most `highest`; exact to an eighth of a mark."""
        eighths = round(8 * width * value / highest) if highest > 0 else 0
        if self._ascii:
            return "#" * round(eighths / 8)
        return ("█" * (eighths // 8) + _ENDS[eighths % 8]).rstrip()
