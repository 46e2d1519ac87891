"""Exact medians and percentiles of numbers that need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float

Keys = NDArray[np.uint64]

# At most this many numbers are sorted in memory: 1 MiB.
_MAX_SORTED = 1 << 17
# More are counted by this many of their bits at a time, from the upper ones down.
_DIGIT_BITS = 16
_KEY_BITS = 64
_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class Values:
    """Numbers in blocks that can be read repeatedly.

    Attributes:
        count: N, the number of numbers.
        blocks: Returns all of them in blocks, float64, always in the same order.

    >>> values = Values(4, lambda: [np.array([3.0, 1.0]), np.array([2.0, 10.0])])
    >>> values.median(), values.quantiles([0.25, 1.0]), values.order_statistics([0])
    (2.5, [1.75, 10.0], [1.0])
    """

    count: int
    blocks: Callable[[], Iterable[Float]]

    @staticmethod
    def of(values: Float) -> Values:
        """Take an array in memory, [N]."""
        return Values(len(values), lambda: [values])

    def map(self, function: Callable[[Float], Float]) -> Values:
        """Apply an elementwise function."""
        return Values(self.count, lambda: map(function, self.blocks()))

    def known(self) -> Values:
        """Leave out NaN."""
        count = sum(int((~np.isnan(block)).sum()) for block in self.blocks())
        if count == self.count:
            return self
        return Values(count, lambda: (block[~np.isnan(block)] for block in self.blocks()))

    def median(self) -> float:
        """Median as in `numpy.median`; NaN if a number is NaN."""
        middle = self.count // 2
        return float(np.mean(self.order_statistics([middle - 1 + self.count % 2, middle])))

    def quantiles(self, fractions: Sequence[float]) -> list[float]:
        """Quantiles as in `numpy.quantile`, with its default method.

        Args:
            fractions: From 0 to 1, the fraction of the numbers that is smaller.

        Returns:
            Linear interpolation between the two neighbouring numbers; NaN if a number is NaN.
        """
        places = [fraction * (self.count - 1) for fraction in fractions]
        ranks = [min(int(place) + i, self.count - 1) for place in places for i in (0, 1)]
        found = self.order_statistics(ranks)
        # In numpy's order, for numpy's rounding.
        return [
            high - (high - low) * (1 - part)
            if (part := place - int(place)) >= 0.5
            else low + (high - low) * part
            for place, low, high in zip(places, found[::2], found[1::2], strict=True)
        ]

    def order_statistics(self, ranks: Sequence[int]) -> list[float]:
        """Return the numbers at given ranks in ascending order.

        Args:
            ranks: From 0 to N − 1.

        Returns:
            One number per rank; NaN for all if a number is NaN.
        """
        if self.count <= _MAX_SORTED:
            numbers = np.sort(np.concatenate([np.empty(0), *self.blocks()]))
            found = numbers[list(ranks)] if not np.isnan(numbers[-1:]).any() else np.full(len(ranks), np.nan)
            return [float(value) for value in found]
        if any(np.isnan(block).any() for block in self.blocks()):
            return [np.nan] * len(ranks)
        # The upper bits of the number at each rank, and the count of numbers that are smaller by those bits.
        known = dict.fromkeys(ranks, (0, 0))
        for bits in range(0, _KEY_BITS, _DIGIT_BITS):
            counts = self._count_digits({upper for upper, _ in known.values()}, bits)
            for rank, (upper, smaller) in known.items():
                cumulative = np.cumsum(counts[upper])
                digit = int(np.searchsorted(cumulative, rank - smaller, side="right"))
                smaller_here = int(cumulative[digit - 1]) if digit else 0
                known[rank] = ((upper << _DIGIT_BITS) | digit, smaller + smaller_here)
        return [_number(known[rank][0]) for rank in ranks]

    def _count_digits(self, uppers: Iterable[int], bits: int) -> dict[int, NDArray[np.int64]]:
        """Count the digits that follow given upper bits."""
        counts = {upper: np.zeros(1 << _DIGIT_BITS, dtype=np.int64) for upper in uppers}
        for block in self.blocks():
            keys = _keys(block)
            for upper, count in counts.items():
                like = keys[keys >> np.uint64(_KEY_BITS - bits) == upper] if bits else keys
                digits = like >> np.uint64(_KEY_BITS - bits - _DIGIT_BITS) & np.uint64((1 << _DIGIT_BITS) - 1)
                np.add(count, np.bincount(digits.astype(np.int64), minlength=len(count)), out=count)
        return counts


def _keys(values: Float) -> Keys:
    """Integers in the order of the numbers: their bits, inverted if negative."""
    # Adding 0 makes −0 into 0, which is equal to it.
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _number(key: int) -> float:
    sign = int(_SIGN)
    bits = key ^ sign if key & sign else key ^ ((1 << _KEY_BITS) - 1)
    return float(np.array(bits, dtype=np.uint64).view(np.float64))
