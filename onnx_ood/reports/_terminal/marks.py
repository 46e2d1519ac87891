"""Small marks of terminal reports: numbers, bars and sparklines that read without colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from math import isfinite, log10

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
            deviations: One value a probe; None shows as a blank.
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


def number(value: float | None, digits: int = 2) -> str:
    """A number with a few significant digits: `3.1e-04`, `0.0052`, `12`; a dash for what does not exist."""
    if value is None or not isfinite(value):
        return "-"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - int(log10(abs(value)) // 1))}f}"


def decimal(value: float | None, places: int = 2) -> str:
    """A number to so many decimal places, as long as that is readable; a dash for what does not exist."""
    if value is None or not isfinite(value):
        return "-"
    # Nothing is added to what rounds to zero from below, so that it has no sign.
    return f"{round(value, places) + 0.0:.{places}f}" if abs(value) < 1e6 else number(value)


def relative_error(mean: float | None, error: float | None) -> str:
    """A standard error as a share of its mean: `12%`, `0.4%`; empty where there is none."""
    if mean is None or error is None or mean == 0:
        return ""
    percent = 100 * error / mean
    return f"{percent:.0f}%" if percent >= 9.95 else f"{percent:.1f}%"


def percent(share: float | None) -> str:
    """A share as a percentage: `100%`, `2.1%`, `<0.1%`."""
    if share is None:
        return "-"
    value = 100 * share
    if 0 < value < 0.1:
        return "<0.1%"
    return f"{value:.1f}%" if 0 < value < 10 else f"{value:.0f}%"


def size(count: int) -> str:
    """A number of bytes: `9.1 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def shorten(text: str, width: int) -> str:
    """Keeps the end of a path, which tells files apart: `…photos/cat.jpg`."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def without_common_start(names: Sequence[str], width: int) -> list[str]:
    """Leaves out the folders that all names begin with, if they don't fit otherwise: `…/encoder/0/Relu`."""
    parts = [name.split("/")[:-1] for name in names]
    same = _alike(zip(*parts, strict=False))
    shared = "/".join(parts[0][:same]) if names else ""
    # One sign takes the place of what is left out.
    if len(names) < 2 or len(shared) < 2 or max(map(len, names)) <= width:
        return list(names)
    return [f"…{name[len(shared) :]}" for name in names]


def without_common_end(names: Sequence[str], width: int) -> list[str]:
    """Leaves out what all names end with, if they don't fit otherwise: `/encoder/0/norm…`."""
    if len(names) < 2 or max(map(len, names)) <= width:
        return list(names)
    same = _alike(zip(*map(reversed, names), strict=False))
    return [f"{name[: len(name) - same]}…" for name in names] if same > 1 else list(names)


def shorten_middle(text: str, width: int) -> str:
    """Keeps both ends of a layer's name; the first tells where, the last tells what: `/blocks.3/…/Relu`."""
    return _cut(text, width, (width - 1) // 3)


def shorten_apart(names: Sequence[str], width: int) -> list[str]:
    """Shortens the names of layers in one way, chosen so that as many as possible can be told apart.

    Args:
        names: The names.
        width: Characters at most.
    """
    shown = without_common_start(names, width)
    usual = (width - 1) // 3
    ways = [
        [_cut(name, width, tail) for name in some]
        for some in (without_common_end(shown, width), shown)
        for tail in sorted(range(max(width - 1, 1)), key=lambda tail: abs(tail - usual))
    ]
    return max(ways, key=lambda way: len(set(way)))


def _alike(steps: Iterable[tuple[str, ...]]) -> int:
    """How many steps, from the first on, are the same for all."""
    return sum(1 for _ in takewhile(lambda step: len(set(step)) == 1, steps))


def _cut(text: str, width: int, tail: int) -> str:
    if len(text) <= width:
        return text
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"
