"""Scales from numbers to positions on a chart, and their ticks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

# Steps between ticks, as multiples of a power of ten.
_STEPS = (1, 2, 5)
# Up to this ratio, a logarithmic axis has ticks between the powers of ten.
_MINOR_TICK_RATIO = 300.0


@dataclass(frozen=True)
class Scale:
    """Map of a range of numbers onto a range of positions.

    Attributes:
        low: Smallest number.
        high: Largest number, above `low`.
        start: Position of the smallest.
        stop: Position of the largest.
        log: True if equal distances are equal ratios.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a number; numbers outside the range are at its ends."""
        value = min(max(value, self.low), self.high)
        low, high, here = (log10(x) if self.log else x for x in (self.low, self.high, value))
        return self.start + (self.stop - self.start) * (here - low) / (high - low)

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers in the range, about as many as requested."""
        return _log_ticks(self.low, self.high, about) if self.log else _ticks(self.low, self.high, about)


def log_scale(values: Iterable[float], start: float, stop: float) -> Scale:
    """Logarithmic scale between round numbers around all positive values."""
    positive = [value for value in values if value > 0] or [0.1, 1.0]
    low, high = _round_below(min(positive)), _round_above(max(positive))
    return Scale(low, high if high > low else 10 * low, start, stop, log=True)


def _ticks(low: float, high: float, about: int) -> list[float]:
    wanted = (high - low) / about
    above = _round_above(wanted)
    step = min((above, _round_below(wanted)), key=lambda step: abs(log10(step / wanted)))
    return [k * step for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    every = max(1, ceil(len(decades) / (about + 1)))
    steps = _STEPS if high <= _MINOR_TICK_RATIO * low else (1,)
    found = [step * 10.0**decade for decade in decades[::every] for step in steps]
    return [tick for tick in found if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]


def _round_below(value: float) -> float:
    power = 10.0 ** floor(log10(value))
    return max(step * power for step in _STEPS if step * power <= value * (1 + 1e-9))


def _round_above(value: float) -> float:
    power = 10.0 ** floor(log10(value))
    return min(step * power for step in (*_STEPS, 10) if step * power >= value * (1 - 1e-9))
