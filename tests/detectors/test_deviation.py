"""Deviation from other inputs: two-sided, robust, scale-free."""

from __future__ import annotations

from math import log, sqrt
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.detectors import MIN_INPUTS, Deviations, deviation_score, robust_stats, robust_z
from onnx_ood.metrics.quantiles import Values

FLOOR = 1e-12


def by_loops(drops: np.ndarray, errors: np.ndarray, floor: np.ndarray, reference: np.ndarray) -> list[float]:
    """The score as the docstring says it, input by input."""
    scores = []
    for row, error in zip(drops.tolist(), errors.tolist(), strict=True):
        squares = []
        for p, drop in enumerate(row):
            logs = [log(max(float(u), floor[p])) for u in reference[:, p]]
            centre = median(logs)
            sigma = median([abs(x - centre) for x in logs]) / 0.6744897501960817
            if sigma > 0:
                raised = max(drop, floor[p])
                e = 0.0 if np.isnan(error[p]) else error[p] / raised
                squares.append(((log(raised) - centre) / sqrt(sigma**2 + e**2)) ** 2)
        scores.append(sqrt(sum(squares) / len(squares)))
    return scores


def lognormal(inputs: int, probes: int, seed: int = 0, spread: float = 0.3) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).standard_normal((inputs, probes)) * spread - 7)


def score(
    drops: np.ndarray, errors: np.ndarray | None = None, reference: np.ndarray | None = None
) -> Deviations:
    floor = np.full(drops.shape[1], FLOOR)
    found = deviation_score(drops, np.zeros_like(drops) if errors is None else errors, floor, reference)
    assert found is not None
    return found


@given(
    seed=st.integers(0, 1000), inputs=st.integers(MIN_INPUTS, 25), probes=st.integers(1, 5), own=st.booleans()
)
def test_it_is_that_of_plain_loops(seed: int, inputs: int, probes: int, own: bool) -> None:
    rng = np.random.default_rng(seed)
    drops = lognormal(inputs, probes, seed)
    errors = rng.uniform(0, 0.5, drops.shape) * drops
    errors[0, 0] = np.nan
    floor = np.full(probes, np.median(drops) / 2)
    reference = lognormal(inputs + 3, probes, seed + 1) if own else None
    found = deviation_score(drops, errors, floor, reference)
    assert found is not None
    np.testing.assert_allclose(
        found.score, by_loops(drops, errors, floor, drops if reference is None else reference), rtol=1e-4
    )


@pytest.mark.parametrize(("factor", "direction"), [(20.0, 1), (0.05, -1)])
def test_an_outlier_is_found_in_both_directions(factor: float, direction: int) -> None:
    drops = lognormal(40, 6)
    drops[17] *= factor
    found = score(drops)
    assert int(np.argmax(found.score)) == 17
    assert (np.sign(found.deviations[17]) == direction).all()
    assert found.score[17] > 5


def test_one_unusual_probe_is_enough() -> None:
    drops = lognormal(40, 6)
    drops[3, 2] *= 1000
    found = score(drops)
    assert (int(np.argmax(found.score)), int(np.argmax(found.deviations[3]))) == (3, 2)


def test_outliers_do_not_change_median_and_spread_much() -> None:
    """Up to almost half of the inputs may be unusual."""
    clean = lognormal(60, 4)
    mixed = clean.copy()
    mixed[:20] *= 1e4
    assert score(mixed).score[:20].min() > 5 * score(mixed).score[20:].max()


def test_normal_inputs_score_about_one() -> None:
    assert np.sqrt(np.mean(score(lognormal(4000, 5)).score ** 2)) == pytest.approx(1, abs=0.03)


@given(seed=st.integers(0, 100), scales=st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3))
def test_the_scale_of_a_probe_does_not_matter(seed: int, scales: list[float]) -> None:
    drops = lognormal(12, 3, seed)
    errors = drops * 0.1
    np.testing.assert_allclose(
        score(drops * scales, errors * scales).score, score(drops, errors).score, rtol=1e-9, atol=1e-12
    )


@given(seed=st.integers(0, 100), power=st.floats(0.2, 1.5))
def test_a_power_of_all_drops_does_not_matter(seed: int, power: float) -> None:
    """A nudge twice as large makes drops four times as large, and a deeper layer may square that: ranks stay."""
    drops = lognormal(12, 3, seed)
    np.testing.assert_allclose(score(drops**power).score, score(drops).score, rtol=1e-9, atol=1e-12)


@given(seed=st.integers(0, 100))
def test_the_order_of_inputs_does_not_matter(seed: int) -> None:
    drops, order = lognormal(12, 3, seed), np.random.default_rng(seed).permutation(12)
    np.testing.assert_allclose(score(drops[order]).score, score(drops).score[order], rtol=1e-12)


def test_an_uncertain_drop_counts_less() -> None:
    drops = lognormal(20, 3)
    drops[5] *= 10
    errors = np.zeros_like(drops)
    errors[5] = drops[5]
    assert score(drops, errors).score[5] < score(drops).score[5] / 2


def test_drops_below_the_floor_are_all_the_same() -> None:
    drops = np.tile(np.array([[1e-3], [2e-3], [4e-3], [1e-5], [0.0], [1e-9]]), (2, 1))
    found = deviation_score(drops, np.zeros_like(drops), np.array([1e-4]))
    assert found is not None
    assert found.score[3] == found.score[4] == found.score[5]


def test_a_probe_without_spread_is_left_out_and_marked() -> None:
    drops = lognormal(20, 3)
    drops[:, 1] = 1e-3
    drops[0, 1] = 0.5
    found = score(drops)
    assert found.used.tolist() == [True, False, True]
    assert not found.deviations[:, 1].any()
    np.testing.assert_allclose(found.score, score(drops[:, [0, 2]]).score)


def test_too_few_inputs_or_no_spread_give_no_score() -> None:
    floor = np.full(2, FLOOR)
    few, flat = lognormal(MIN_INPUTS - 1, 2), np.full((20, 2), 1e-3)
    assert deviation_score(few, np.zeros_like(few), floor) is None
    assert deviation_score(flat, np.zeros_like(flat), floor) is None
    many = lognormal(MIN_INPUTS, 2)
    assert deviation_score(many, np.zeros_like(many), floor) is not None


def test_statistics_may_come_from_other_inputs() -> None:
    reference, one = lognormal(30, 4, seed=1), lognormal(1, 4, seed=2)
    assert score(one, reference=reference).score.shape == (1,)
    assert score(one * 30, reference=reference).score[0] > 5
    np.testing.assert_array_equal(score(reference, reference=reference).score, score(reference).score)
    floor = np.full(4, FLOOR)
    assert deviation_score(reference, np.zeros_like(reference), floor, reference[: MIN_INPUTS - 1]) is None


def test_drops_that_are_missing_are_left_out() -> None:
    rng = np.random.default_rng(3)
    drops = np.exp(rng.normal(-6, 1, (20, 3)))
    errors, floor = np.zeros_like(drops), np.full(3, 1e-12)
    missing = drops.copy()
    missing[4, 1] = np.nan
    stats = robust_stats(map(Values.of, drops.T), floor)
    assert stats is not None
    whole, some = (robust_z(values, errors, stats) for values in (drops, missing))
    np.testing.assert_array_equal(np.delete(some.score, 4), np.delete(whole.score, 4))
    np.testing.assert_allclose(some.score[4], np.sqrt((whole.deviations[4, [0, 2]] ** 2).mean()))
    columns = [Values.of(drops[:, 0]), Values.of(drops[:4, 1]), Values.of(drops[:, 2])]
    fewer = robust_stats(columns, floor)
    assert fewer is not None
    assert fewer.used.tolist() == [True, False, True]
