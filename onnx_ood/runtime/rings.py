"""Transitions along a small closed trajectory around each input, at a few points.

A few points miss transitions, of every input alike; `count_transitions` finds all of them, with thousands of points.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float, FloatArray
from onnx_ood.metrics import flip_rate
from onnx_ood.runtime.host import PerturbationGroup
from onnx_ood.runtime.prober import Prober
from onnx_ood.runtime.statistics import pair_statistics, prepare_clean

# Steps from point to point in one group of copies. It has one point more, which is run again for the next group.
_STEPS = 2


def ring_transitions(
    prober: Prober,
    batch: ArrayLike,
    ring: FloatArray,
    feeds: Mapping[str, ArrayLike] | None = None,
) -> Float:
    """Count changes of units' sign patterns from point to point along a closed trajectory.

    Args:
        prober: Runs the model, three times per two points.
        batch: Values of the model's input, [N, *input].
        ring: The points minus the clean site: [K, *site], shared by all inputs. The first follows the last.
        feeds: As in `Prober.measure`.

    Returns:
        Transitions per unit at the probes of the prober, float64 [N, P]; a unit counts at every change. NaN if an
        activation is not finite. If points differ in the number of units, from the steps without a difference alone.

    Raises:
        UsageError: If a shape doesn't fit, or an input is missing.
        ModelError: If a run fails.
    """
    # The first run decides which probes are measurable.
    prober.site_shape(batch, feeds)
    columns = {name: column for column, name in enumerate(prober.probes)}
    found = np.full((ceil(len(ring) / _STEPS), len(np.asarray(batch)), len(columns)), np.nan)

    compared = np.ones(found.shape, np.bool_)

    def nudges(inputs: list[int], number: int) -> list[FloatArray]:
        places = range(number * _STEPS, min((number + 1) * _STEPS, len(ring)) + 1)
        return [np.broadcast_to(ring[at % len(ring)], (len(inputs), *ring.shape[1:])) for at in places]

    def reduce(group: PerturbationGroup) -> None:
        at = (group.number, group.inputs, columns[group.probe])
        if len({one.shape for one in group.values}) > 1 or not group.values[0].size:
            compared[at] = False
            return
        pairs = [pair_statistics(prepare_clean(one), other) for one, other in pairwise(group.values)]
        rates = [
            np.where(np.isfinite(pair.dd), flip_rate(pair.flips, group.values[0][0].size), np.nan)
            for pair in pairs
        ]
        found[at], compared[at] = np.sum(rates, axis=0), True

    prober.run_groups(batch, len(found), nudges, reduce, feeds)
    total: Float = found.sum(axis=0)
    if compared.all():
        return total
    counted = compared.sum(axis=0)
    partial: Float = np.where(compared, found, 0.0).sum(axis=0) * len(found) / np.maximum(counted, 1)
    return partial
