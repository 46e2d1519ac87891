"""Inputs without NaN or infinity in the model's own outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def finite_outputs(outputs: Mapping[str, NDArray[np.generic]], count: int) -> NDArray[np.bool_]:
    """Return a mask of the inputs with usable outputs.

    Args:
        outputs: The model's own outputs, [N, ...] each, or N arrays.
        count: N.

    Returns:
        False for NaN or +infinity in any output of floats, and for -infinity alone; bool [N]. Among finite numbers
        -infinity is a masked score or the logarithm of a probability of 0.

    >>> finite_outputs({"y": np.array([[1, 2], [np.nan, 2], [-np.inf, 2], [-np.inf, -np.inf]])}, 4)
    array([ True, False,  True, False])
    """
    good = np.ones(count, np.bool_)
    for values in outputs.values():
        for i, one in enumerate(values):
            numbers = np.asarray(one)
            if np.issubdtype(numbers.dtype, np.floating) and numbers.size:
                largest = numbers.max()
                good[i] &= bool(np.isfinite(largest))
    return good
