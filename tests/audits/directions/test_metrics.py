"""Metrics of the directions audit, on grids of AUROCs that are made up."""

from __future__ import annotations

import numpy as np

from onnx_ood.audits.directions.metrics import Levels, factors_of


def test_factors_are_sorted_by_their_share_within_sets() -> None:
    """Copies move two sets in opposite directions: no main effect over both, but all of the variance within each."""
    up = np.zeros((2, 2, 2, 4, 3))
    up[...] = 0.5
    up += np.linspace(-0.2, 0.2, 4)[:, np.newaxis]
    down = 1 - up
    # A small effect of the scale, the same in both, is larger over both sets than that of the copies.
    shift = np.array([-0.01, 0.01])[:, np.newaxis, np.newaxis, np.newaxis]
    levels = Levels(("a", "b"), (0.1, 0.2), ("gaussian", "uniform"), (1, 2, 4, 8))
    factors = factors_of({"up": up + shift, "down": down + shift}, levels)
    assert [factor.name for factor in factors[:3]] == ["set", "copies", "scale"]
    assert factors[1].share < factors[2].share
    assert factors[1].within is not None
    assert factors[2].within is not None
    assert factors[1].within > factors[2].within
