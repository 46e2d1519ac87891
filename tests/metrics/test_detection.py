"""Detection figures against their definitions, written as loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.metrics.bootstrap import Resampling, interval
from onnx_ood.metrics.detection import average_precision, detection

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


def test_what_is_not_a_number_counts_as_strange() -> None:
    assert detection([1.0, 2.0], [np.nan]).auroc == 1
    assert detection([np.nan], [3.0]).auroc == 0
    assert detection([np.nan], [np.nan]).auroc == 0.5


def test_resamples_are_those_of_drawing_inputs() -> None:
    """The same resamples, drawn as inputs and counted as pairs."""
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=9), {"a": rng.normal(1, 1, 7), "b": rng.normal(size=5)}
    resampling = Resampling(9, {"a": 7, "b": 5}, seed=3, resamples=6)
    found = resampling.aurocs(low, high)
    for column, name in enumerate(("a", "b")):
        assert abs(found[0, column] - detection(low, high[name]).auroc) < 1e-12
        for i in range(6):
            drawn = np.repeat(low, np.rint(resampling._ordinary[i] * 9).astype(int))
            others = np.repeat(
                high[name], np.rint(resampling._strange[name][i] * len(high[name])).astype(int)
            )
            assert abs(found[1 + i, column] - detection(drawn, others).auroc) < 1e-12


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Normal scores half a standard deviation apart: AUROC Φ(½/√2)."""
    truth = 0.638163195
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        resampling = Resampling(60, {"a": 60}, seed=trial, resamples=300)
        samples = resampling.aurocs(rng.normal(size=60), {"a": rng.normal(0.5, 1, 60)})
        _, low, high = interval(samples[:, 0])
        covered += low <= truth <= high
    # Binomial(200, 0.95) is above 178 in 99.9% of cases; percentile intervals are a little narrow.
    assert covered >= 178
