"""Metrics of OpenOOD v1.5, against scikit-learn's values and definitions evaluated by loops."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.metrics.openood import openood_metrics

# Scores with ties within and between both sets, and what OpenOOD's `auc_and_fpr_recall` gives for them with
# scikit-learn 1.9.1 (AUROC, FPR@95, AUPR in, AUPR out).
ID = [0.1, 0.4, 0.4, 0.2, 0.9, 0.35, 0.6, 0.15, 0.5, 0.05]
OOD = [0.4, 0.8, 0.95, 0.7, 0.9, 0.3, 0.65, 0.85]
SCIKIT_LEARN = (0.8187500000000001, 0.6, 0.8619875222816399, 0.7698145604395604)


def by_loops(low: list[float], high: list[float]) -> tuple[float, float, float, float]:
    """Evaluate the definitions threshold by threshold."""
    pairs = [(a < b) + (a == b) / 2 for a in low for b in high]
    thresholds = sorted({*low, *high})
    reached = max(t for t in thresholds if sum(b >= t for b in high) / len(high) >= 0.95)
    fpr = sum(a >= reached for a in low) / len(low)

    def area(positives: list[float], negatives: list[float]) -> float:
        recall, precision, total = 0.0, 1.0, 0.0
        for t in sorted({*positives, *negatives}, reverse=True):
            true, false = sum(p >= t for p in positives), sum(n >= t for n in negatives)
            total += (true / len(positives) - recall) * (true / (true + false) + precision) / 2
            recall, precision = true / len(positives), true / (true + false)
        return total

    return float(np.mean(pairs)), fpr, area([-a for a in low], [-b for b in high]), area(high, low)


def test_values_are_those_of_scikit_learn() -> None:
    found = [float(values[0]) for values in openood_metrics(ID, OOD)]
    np.testing.assert_allclose(found, SCIKIT_LEARN, rtol=1e-12)


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 30), (40, 1), (57, 41), (20, 60)])
def test_values_follow_the_definitions(decimals: int, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    low = np.round(rng.normal(size=sizes[0]), decimals).tolist()
    high = np.round(rng.normal(1, 1, sizes[1]), decimals).tolist()
    found = [float(values[0]) for values in openood_metrics(low, high)]
    np.testing.assert_allclose(found, by_loops(low, high), rtol=1e-12)


@pytest.mark.parametrize("block", [1, 70, 10_000])
def test_a_resample_is_a_sample_with_repeated_inputs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.metrics.openood._BLOCK", block)
    rng = np.random.default_rng(1)
    low, high = np.round(rng.normal(size=23), 1), np.round(rng.normal(1, 1, 17), 1)
    id_counts = rng.multinomial(23, np.full(23, 1 / 23), size=9)
    ood_counts = rng.multinomial(17, np.full(17, 1 / 17), size=9)
    found = np.stack(openood_metrics(low, high, id_counts, ood_counts), axis=1)
    expected = [
        by_loops(np.repeat(low, a).tolist(), np.repeat(high, b).tolist())
        for a, b in zip(id_counts, ood_counts, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_perfect_reversed_and_constant_scores() -> None:
    for low, high, expected in (
        ([0, 1], [2, 3], (1, 0, 1, 1)),
        # The areas of a reversed ranking of 2 and 2: trapezoids over precisions 0, 0, 1/3, 1/2.
        ([2, 3], [0, 1], (0, 1, 0.5 * (0 + 1 / 3) / 2 + 0.5 * (1 / 3 + 1 / 2) / 2)),
        ([1, 1], [1, 1], (0.5, 1, 0.75, 0.75)),
    ):
        found = [float(values[0]) for values in openood_metrics(low, high)]
        np.testing.assert_allclose(found[: len(expected)], expected)


def test_nan_is_the_largest_score() -> None:
    np.testing.assert_array_equal(openood_metrics([0, 1], [0.5, np.nan]), openood_metrics([0, 1], [0.5, 2.0]))
