"""The noise floor: cosine drops caused by rounding alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rounding_nudges(batch: NDArray[np.floating], seed: int) -> NDArray[np.floating]:
    """Draw one nudge per input that changes its values by at most one unit in the last place.

    Such a nudge redraws every rounding on the way through the model while the input stays the same in meaning, so its
    drop is what arithmetic alone can produce (Monte Carlo arithmetic with perturbed inputs: D. S. Parker, "Monte Carlo
    Arithmetic", UCLA CSD-970002, 1997).

    Args:
        batch: Inputs [N, ...] in the dtype in which the model takes them.
        seed: Seed of the draw.

    Returns:
        Nudges [N, 1, ...] of the same dtype, each element −1, 0 or +1 spacings of its value, with probabilities
        ¼, ½, ¼.
    """
    steps = np.random.default_rng(seed).choice(np.array([-1, 0, 0, 1]), size=batch.shape)
    nudges: NDArray[np.floating] = np.spacing(np.abs(batch)) * steps.astype(batch.dtype)
    return nudges[:, np.newaxis]


def storage_floor(dtype: str) -> float:
    """Estimate the drop from rounding each activation once to its dtype.

    With independent relative errors uniform in ±u of both activations, E‖d‖² = 2·u²/3·‖a‖² and the drop is ‖d‖²/2‖a‖².

    Args:
        dtype: A floating-point dtype.

    Returns:
        u²/3 with the unit roundoff u of the dtype; a lower bound of any measured floor.

    >>> storage_floor("float32") == 2.0**-48 / 3
    True
    """
    unit = 2.0**-8 if dtype == "bfloat16" else float(np.finfo(dtype).eps) / 2
    return unit * unit / 3
