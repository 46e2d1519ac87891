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

Progress: TypeAlias = Callable[[str, int, int | None], object]
"""Called with the name of a phase, the number of its steps that are done, and of all; None if they are not counted.

Each phase is reported at its start, with 0 steps done. Calls come from the thread of the audit.
"""


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
