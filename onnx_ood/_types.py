"""Types that all rooms share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float: TypeAlias = NDArray[np.float64]
"""Statistics and scores: computed and kept in double precision."""

FloatArray: TypeAlias = NDArray[np.floating]
"""Tensors of any floating type."""

Array: TypeAlias = NDArray[Any]
"""Tensors of any type."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the number of inputs done and in all (None while unknown)."""


class Estimate(NamedTuple):
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float
