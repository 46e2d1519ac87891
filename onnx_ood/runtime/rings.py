"""Transitions along a small closed trajectory around each input, by a few points.

A few points see fewer transitions than there are, of every input alike; `count_transitions` finds all of them, with
thousands of points.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import FloatArray
from onnx_ood.metrics import flip_rate
from onnx_ood.runtime.prober import PerturbationGroup, Prober
from onnx_ood.runtime.statistics import clean_rows, pair_statistics

# Steps from point to point that are measured in one go: so many points and one are held, and the last one is run again
# for the next steps.
_STEPS = 2


def ring_transitions(
    prober: Prober,
    batch: ArrayLike,
    ring: FloatArray,
    feeds: Mapping[str, ArrayLike] | None = None,
) -> NDArray[np.float64]:
    """Counts units that are switched on or off from one point to the next, round a closed trajectory.

    Args:
        prober: Runs the model: three times for two points.
        batch: What feeds the model's input, [N, *input].
        ring: Where points are, less the clean site: [K, *site], shared by all inputs. Behind the last comes the
            first.
        feeds: As in `Prober.measure`.

    Returns:
        Transitions over the number of units, float64 [N, P], at the probes of the prober; a unit counts as often as it
        is switched. NaN where an activation is not finite.

    Raises:
        UsageError: If a shape doesn't fit, or an input is missing.
        ModelError: If a run fails.
    """
    # Known once the first inputs have been run.
    prober.site_shape(batch, feeds)
    columns = {name: column for column, name in enumerate(prober.probes)}
    found = np.full((ceil(len(ring) / _STEPS), len(np.asarray(batch)), len(columns)), np.nan)

    def shifts(inputs: list[int], number: int) -> list[FloatArray]:
        places = range(number * _STEPS, min((number + 1) * _STEPS, len(ring)) + 1)
        return [np.broadcast_to(ring[at % len(ring)], (len(inputs), *ring.shape[1:])) for at in places]

    def reduce(group: PerturbationGroup) -> None:
        pairs = [pair_statistics(clean_rows(one), other) for one, other in pairwise(group.values)]
        rates = [
            np.where(np.isfinite(pair.dd), flip_rate(pair.flips, group.values[0][0].size), np.nan)
            for pair in pairs
        ]
        found[group.number, group.inputs, columns[group.probe]] = np.sum(rates, axis=0)

    prober.run_groups(batch, len(found), shifts, reduce, feeds)
    total: NDArray[np.float64] = found.sum(axis=0)
    return total
