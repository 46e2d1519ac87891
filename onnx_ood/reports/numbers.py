"""Numbers as text: the same on a terminal and on a page."""

from __future__ import annotations

from math import isfinite, log10


def number(value: float | None, digits: int = 2) -> str:
    """Format a number with a few significant digits: `3.1e-04`, `0.0052`, `12`; a dash for None."""
    if value is None or not isfinite(value):
        return "-"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - int(log10(abs(value)) // 1))}f}"


def decimal(value: float | None, places: int = 2) -> str:
    """Format a number with fixed decimal places, if readable; a dash for None."""
    if value is None or not isfinite(value):
        return "-"
    # Nothing is added to what rounds to zero from below, so that it has no sign.
    return f"{round(value, places) + 0.0:.{places}f}" if abs(value) < 1e6 else number(value)


def relative_error(mean: float | None, error: float | None) -> str:
    """Format a standard error relative to its mean: `12%`, `0.4%`; empty if unknown."""
    if mean is None or error is None or mean == 0:
        return ""
    percent = 100 * error / mean
    return f"{percent:.0f}%" if percent >= 9.95 else f"{percent:.1f}%"


def percent(share: float | None) -> str:
    """Format a fraction as a percentage: `100%`, `2.1%`, `<0.1%`."""
    if share is None:
        return "-"
    value = 100 * share
    if 0 < value < 0.1:
        return "<0.1%"
    return f"{value:.1f}%" if 0 < value < 10 else f"{value:.0f}%"


def size(count: int) -> str:
    """Format a number of bytes: `9.1 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
