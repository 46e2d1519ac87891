"""Detection figures against their definitions, written as loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import mannwhitneyu, norm

from onnx_ood.metrics.detection import (
    area,
    auroc,
    average_precision,
    detection,
    mean_roc,
    placements,
    roc,
)

scores = st.lists(st.integers(-4, 4), min_size=1, max_size=12)


@given(scores, scores)
def test_figures_are_what_their_definitions_say(ordinary: list[int], strange: list[int]) -> None:
    found = detection(ordinary, strange)
    pairs = [(a < b) + 0.5 * (a == b) for a in ordinary for b in strange]
    assert abs(found.auroc - np.mean(pairs)) < 1e-12
    # The lowest threshold at which at least 95% of ordinary inputs pass.
    threshold = min(t for t in ordinary if np.mean([a <= t for a in ordinary]) >= 0.95)
    assert found.fpr95 == np.mean([b <= threshold for b in strange])
    assert abs(found.aupr_out - _average_precision(strange, ordinary)) < 1e-12
    assert abs(found.aupr_in - _average_precision([-a for a in ordinary], [-b for b in strange])) < 1e-12


def _average_precision(positives: list[int], negatives: list[int]) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted(set(positives) | set(negatives), reverse=True):
        true = sum(score >= threshold for score in positives)
        false = sum(score >= threshold for score in negatives)
        total += (true / len(positives) - recall) * true / (true + false)
        recall = true / len(positives)
    return total


def test_average_precision_of_a_perfect_score_is_1_and_of_a_constant_the_share() -> None:
    assert average_precision([3, 4], [1, 2]) == 1
    assert average_precision([0, 0, 0], [0]) == 0.75


def test_nan_counts_as_out_of_distribution() -> None:
    assert detection([1.0, 2.0], [np.nan]).auroc == 1
    assert detection([np.nan], [3.0]).auroc == 0
    assert detection([np.nan], [np.nan]).auroc == 0.5


@given(scores, scores)
def test_one_area_is_that_of_mann_and_whitney(id_scores: list[int], ood_scores: list[int]) -> None:
    expected = mannwhitneyu(ood_scores, id_scores).statistic / (len(id_scores) * len(ood_scores))
    assert abs(area(id_scores, ood_scores) - expected) < 1e-12
    assert auroc(id_scores, ood_scores).value == area(id_scores, ood_scores)
    assert detection(id_scores, ood_scores).auroc == area(id_scores, ood_scores)


@given(scores, scores)
def test_placements_are_shares_of_inputs_below(id_scores: list[int], ood_scores: list[int]) -> None:
    expected = [np.mean([(a < b) + (a == b) / 2 for a in id_scores]) for b in ood_scores]
    np.testing.assert_allclose(placements(id_scores, ood_scores), expected, rtol=1e-12)
    assert abs(placements(id_scores, ood_scores).mean() - area(id_scores, ood_scores)) < 1e-12


def test_newcombe_s_bounds_solve_his_equation() -> None:
    """Method 5: |θ̂ − θ| = z·√(θ(1 − θ)(1 + ((m + n)/2 − 1)((1 − θ)/(2 − θ) + θ/(1 + θ)))/(mn))."""
    rng = np.random.default_rng(5)
    id_scores, ood_scores = rng.normal(size=13), rng.normal(1, 1, 8)
    found = auroc(id_scores, ood_scores)
    assert found.low < found.value < found.high
    for theta in (found.low, found.high):
        spread = 1 + (21 / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        expected = norm.ppf(0.975) ** 2 * theta * (1 - theta) * spread / (13 * 8)
        assert abs((found.value - theta) ** 2 - expected) < 1e-9
    perfect = auroc([0, 1], [2, 3])
    assert (perfect.value, perfect.high) == (1, 1)
    assert perfect.low < 1


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


def test_nan_is_the_largest_score_of_a_curve() -> None:
    across, up = roc([1.0, 2.0], [np.nan, 0.0])
    assert (across.tolist(), up.tolist()) == ([0, 0, 0.5, 1, 1], [0, 0.5, 0.5, 0.5, 1])


def test_the_mean_curve_is_the_mean_between_all_corners() -> None:
    """Curves are straight between their own corners, also where another one has a corner."""
    rng = np.random.default_rng(0)
    curves = [roc(rng.normal(size=m), rng.normal(1, 1, n)) for m, n in ((5, 4), (7, 9), (3, 2))]
    across, up = mean_roc(curves)
    inner = (np.unique(across)[1:] + np.unique(across)[:-1]) / 2
    expected = np.mean([np.interp(inner, *curve) for curve in curves], axis=0)
    np.testing.assert_allclose(np.interp(inner, across, up), expected, rtol=1e-12)
