"""ROC curves against their definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import mannwhitneyu

from onnx_ood.metrics.roc import mean_roc, roc

scores = st.lists(st.integers(-4, 4), min_size=1, max_size=12)


@given(scores, scores)
def test_corners_are_shares_and_the_area_is_the_auroc(ordinary: list[int], strange: list[int]) -> None:
    across, up = roc(ordinary, strange)
    thresholds = sorted({*ordinary, *strange}, reverse=True)
    np.testing.assert_allclose(across, [0, *(np.mean([a >= t for a in ordinary]) for t in thresholds)])
    np.testing.assert_allclose(up, [0, *(np.mean([b >= t for b in strange]) for t in thresholds)])
    expected = mannwhitneyu(strange, ordinary).statistic / (len(ordinary) * len(strange))
    assert abs(trapezoid(up, across) - expected) < 1e-12


@given(scores, st.lists(scores, min_size=1, max_size=4))
def test_the_mean_has_the_mean_area(ordinary: list[int], sets: list[list[int]]) -> None:
    curves = [roc(ordinary, strange) for strange in sets]
    across, up = mean_roc(curves)
    assert (np.diff(across) >= 0).all()
    assert (np.diff(up) >= -1e-12).all()
    assert (up[0], across[-1], round(up[-1], 12)) == (0, 1, 1)
    areas = [trapezoid(one, other) for other, one in curves]
    assert abs(trapezoid(up, across) - np.mean(areas)) < 1e-12
    if len(curves) == 1:
        shared = np.linspace(0.01, 0.99, 7)
        np.testing.assert_allclose(np.interp(shared, across, up), np.interp(shared, *curves[0]), atol=1e-12)


def test_what_is_not_a_number_is_the_strangest() -> None:
    across, up = roc([1.0, 2.0], [np.nan, 0.0])
    assert (across.tolist(), up.tolist()) == ([0, 0, 0.5, 1, 1], [0, 0.5, 0.5, 0.5, 1])
