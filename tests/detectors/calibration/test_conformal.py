"""Conformal p-values: exact by simulation and exhaustion, and against refits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, false_discovery_control

from onnx_ood.detectors import Features, LinearHead, ModelInfo, calibrate, find_detector
from onnx_ood.detectors.calibration.conformal import (
    _squared_distances,
    discovery_threshold,
    flag,
    full_p_values,
    min_discoveries,
    p_values,
    two_sided_p_values,
)
from onnx_ood.detectors.models.gaussian import ShrunkGaussian

Draw = Callable[[np.random.Generator, int, int], np.ndarray]


def normal(rng: np.random.Generator, count: int, features: int) -> np.ndarray:
    return rng.normal(size=(count, features)) @ np.random.default_rng(0).normal(size=(features, features))


def heavy_tailed(rng: np.random.Generator, count: int, features: int) -> np.ndarray:
    return rng.standard_t(1.5, (count, features))


def discrete(rng: np.random.Generator, count: int, features: int) -> np.ndarray:
    return rng.integers(0, 2, (count, features)).astype(np.float64)


def dependent(rng: np.random.Generator, count: int, features: int) -> np.ndarray:
    """Exchangeable but not independent: all inputs of a draw share where they are."""
    return rng.normal(size=(count, features)) + 10 * rng.normal(size=features)


def by_full(reference: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return full_p_values(reference, rows)


def by_split(reference: np.ndarray, rows: np.ndarray) -> np.ndarray:
    info = ModelInfo(False, LinearHead(np.eye(5), np.zeros(5), False), False, (), ())
    calibrated = calibrate(find_detector("mahalanobis"), info, Features(features=reference), seed=0)
    return calibrated.p_values(Features(features=rows))


def by_two_sides(reference: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return two_sided_p_values(reference[:, 0], rows[:, 0])


REPETITIONS = 3000


@pytest.mark.parametrize("draw", [normal, heavy_tailed, discrete, dependent])
@pytest.mark.parametrize("method", [by_full, by_split, by_two_sides])
def test_the_false_positive_rate_is_kept(
    draw: Draw, method: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    """One new input for each draw of references, so that draws are independent: the number of flags is binomial."""
    rng = np.random.default_rng(1)
    count = 38 if method is by_split else 19
    values = []
    for _ in range(REPETITIONS):
        rows = draw(rng, count + 1, 5)
        values.append(method(rows[:-1], rows[-1:])[0])
    for rate in (0.05, 0.1):
        flags = int(np.sum(np.array(values) <= rate))
        lowest, highest = binom.ppf([0.0005, 0.9995], REPETITIONS, rate)
        # Values are multiples of 1/20: without ties the rate is met exactly.
        assert flags <= highest
        assert flags >= lowest or draw is discrete


def test_ranks_among_references_that_the_scorer_learned_from_flag_too_many() -> None:
    """The simulation detects a method that is not exact."""
    rng = np.random.default_rng(2)
    values = []
    for _ in range(500):
        rows = normal(rng, 20, 5)
        gaussian = ShrunkGaussian(rows[:-1])
        values.append(p_values(gaussian.distances(rows[:-1]), gaussian.distances(rows[-1:]))[0])
    assert np.sum(np.array(values) <= 0.1) > binom.ppf(0.9995, 500, 0.1)


@pytest.mark.parametrize("method", [by_full, by_two_sides])
@given(data=st.data())
def test_over_all_orders_of_a_bag_no_more_are_flagged_than_the_rate(
    method: Callable[[np.ndarray, np.ndarray], np.ndarray], data: st.DataObject
) -> None:
    """Exhaustive: all 24 orders of 4 inputs. Small integers give ties."""
    bag = data.draw(arrays(np.float64, (4, 2), elements=st.integers(-2, 2).map(float)))
    values = np.array(
        [method(bag[list(order[:-1])], bag[[order[-1]]])[0] for order in permutations(range(4))]
    )
    for k in range(1, 5):
        assert np.mean(values <= k / 4) <= k / 4


def test_over_all_orders_without_ties_the_rate_is_met() -> None:
    bag = np.random.default_rng(3).normal(size=(5, 7))
    values = [full_p_values(bag[list(order[:-1])], bag[[order[-1]]])[0] for order in permutations(range(5))]
    np.testing.assert_allclose(np.sort(values), np.repeat(np.arange(1, 6) / 5, 24))


@given(st.integers(0, 1000), st.integers(2, 20), st.integers(1, 30), st.floats(0.05, 1))
def test_the_closed_form_is_a_refit(seed: int, count: int, features: int, shrinkage: float) -> None:
    """Each new input with a bag of its own and a dense inverse."""
    rng = np.random.default_rng(seed)
    reference = normal(rng, count, features)
    # A copy of a reference is as far out as that one, up to rounding.
    rows = np.vstack([1.5 * normal(rng, 4, features), reference[:2]])
    expected = []
    for row in rows:
        bag = np.vstack([reference, row])
        z = (bag - bag.mean(axis=0)) / bag.std(axis=0, ddof=1)
        covariance = np.atleast_2d(np.cov(z.T))
        inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * np.eye(features))
        squares = np.array([one @ inverse @ one for one in z])
        expected.append(np.mean(squares >= squares[-1] * (1 - 1e-9)))
    np.testing.assert_allclose(full_p_values(reference, rows, shrinkage), expected, rtol=1e-9)


@pytest.mark.parametrize("features", [3, 40])
def test_distances_inside_a_bag_are_those_of_a_gaussian(features: int) -> None:
    bag = normal(np.random.default_rng(4), 15, features)
    expected = ShrunkGaussian(bag, 0.4).distances(bag) ** 2
    np.testing.assert_allclose(_squared_distances(bag, 0.4), expected, rtol=1e-9)


@pytest.mark.parametrize("features", [1, 5, 200])
def test_a_far_input_gets_the_smallest_value(features: int) -> None:
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(32, features))
    far = reference.mean(axis=0) + np.array([[30.0], [-1e6]])
    np.testing.assert_array_equal(full_p_values(reference, far), 1 / 33)
    assert full_p_values(reference, reference.mean(axis=0, keepdims=True))[0] == 1
    np.testing.assert_array_equal(two_sided_p_values(reference[:, 0], far[:, 0]), 1 / 33)


def test_a_value_depends_on_no_other_input() -> None:
    rng = np.random.default_rng(6)
    reference, rows = rng.normal(size=(12, 4)), rng.normal(size=(6, 4))
    alone = [full_p_values(reference, row[np.newaxis])[0] for row in rows]
    np.testing.assert_array_equal(full_p_values(reference, rows), alone)
    np.testing.assert_array_equal(full_p_values(reference[::-1], rows), alone)
    # Integer references do not round new inputs.
    whole = rng.integers(0, 5, (12, 4))
    np.testing.assert_array_equal(full_p_values(whole, rows), full_p_values(whole.astype(float), rows))


def test_features_without_spread_do_not_count() -> None:
    same = np.ones((10, 3))
    np.testing.assert_array_equal(full_p_values(same, same[:2]), 1)
    # A feature that differs for the first time counts.
    other = same[:1].copy()
    other[0, 1] = 2
    np.testing.assert_array_equal(full_p_values(same, other), 1 / 11)


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.lists(st.integers(-4, 4), min_size=1, max_size=5),
)
def test_ranks_are_counted(calibration: list[int], scores: list[int]) -> None:
    expected = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores]
    found = p_values(np.array(calibration, dtype=np.float64), np.array(scores, dtype=np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_differences_within_rounding_are_ties() -> None:
    scores, up = np.array([1.0, 2.0, -3.0]), 1 + 1e-13
    np.testing.assert_allclose(p_values(scores, np.array([2 * up, 2.001, np.inf])), [2 / 4, 1 / 4, 1 / 4])
    np.testing.assert_allclose(p_values(np.array([1, np.inf]), np.array([1 * up, 2])), [1, 2 / 3])
    scores = np.array([0.0, 1.0, 2.0, 3.0, -9.0])
    np.testing.assert_allclose(two_sided_p_values(scores, np.array([-9 * up, -9.1])), [2 / 6, 1 / 6])


def test_a_rate_needs_enough_references() -> None:
    values = np.array([1, 2, 3]) / 60
    np.testing.assert_array_equal(flag(values, 0.05, 59), [True, True, True])
    np.testing.assert_array_equal(flag(values, 0.04, 59), [True, True, False])
    assert flag(np.array([1 / 20]), 0.05, 19).all()
    with pytest.raises(ValueError, match="18 references"):
        flag(values, 0.05, 18)
    with pytest.raises(ValueError, match="false-positive rate 0 is out of range"):
        flag(values, 0, 59)


def test_invalid_scores_are_refused() -> None:
    one, bad, empty = np.ones((3, 1)), np.full((3, 1), np.nan), np.ones((0, 1))
    for reference, rows in ((bad, one), (one, bad)):
        with pytest.raises(ValueError, match="finite"):
            full_p_values(reference, rows)
        with pytest.raises(ValueError, match="finite"):
            two_sided_p_values(reference[:, 0], rows[:, 0])
        with pytest.raises(ValueError, match="NaN"):
            p_values(reference[:, 0], rows[:, 0])
    for method in (p_values, two_sided_p_values):
        with pytest.raises(ValueError, match=r"no (calibration )?scores"):
            method(empty[:, 0], one[:, 0])
    with pytest.raises(ValueError, match="no references"):
        full_p_values(empty, one)
    with pytest.raises(ValueError, match="above 0"):
        full_p_values(one, one, 0)


def test_scores_are_added_in_deviations_of_the_bag() -> None:
    """Against the definition, with distances by a dense inverse."""
    rng = np.random.default_rng(5)
    reference, rows = rng.normal(size=(11, 3)), rng.normal(1, 1, (4, 3))
    scores = rng.normal(size=11), rng.normal(1, 1, 4)
    for i, value in enumerate(full_p_values(reference, rows, 0.5, scores=scores)):
        bag = np.concatenate([reference, rows[i : i + 1]])
        z = (bag - bag.mean(axis=0)) / bag.std(axis=0, ddof=1)
        spread = 0.5 * np.cov(z.T) + 0.5 * np.eye(3)
        squares = np.array([one @ np.linalg.inv(spread) @ one for one in z])
        other = np.append(scores[0], scores[1][i])
        total = (squares - squares.mean()) / squares.std(ddof=1) + (other - other.mean()) / other.std(ddof=1)
        assert value == np.mean(total >= total[-1])


def test_p_values_with_scores_are_exact() -> None:
    """Under exchangeability p is uniform on k / (n + 1) where there are no ties."""
    rng = np.random.default_rng(6)
    count, trials = 19, 1500
    found = np.empty(trials)
    for trial in range(trials):
        rows = rng.standard_t(2, (count + 1, 30))
        scores = rows[:, 0] + rng.normal(size=count + 1)
        found[trial] = full_p_values(rows[:count], rows[count:], scores=(scores[:count], scores[count:]))[0]
    for rate in (0.05, 0.1, 0.5):
        # 99.9% of binomial draws.
        spread = 3.3 * np.sqrt(rate * (1 - rate) / trials)
        assert abs((found <= rate + 1e-9).mean() - rate) < spread


@pytest.mark.parametrize("count", [20, 60])
def test_a_copy_of_the_most_distant_reference_ties_with_it_up_to_rounding(count: int) -> None:
    """Distances are compared relative to the largest one, so a last digit more makes no input more unusual."""
    reference = np.random.default_rng(3).normal(size=(count, 2))
    reference[0] = [9.0, -9.0]
    rows = reference[:1] * (1 + np.array([[0.0], [1e-10], [-1e-10]]))
    values = full_p_values(reference, rows, 0.1)
    np.testing.assert_array_equal(values, np.full(3, 2 / (count + 1)))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.sampled_from([0.05, 0.1, 0.2, 0.5]),
)
def test_the_discovery_threshold_is_that_of_benjamini_and_hochberg(ranks: list[int], fdr: float) -> None:
    values = np.array(ranks) / 40
    # Moved off the boundary, where one or the other rounds.
    rejected = false_discovery_control(values * (1 - 1e-9), method="bh") <= fdr
    threshold = discovery_threshold(Counter(values.tolist()), fdr)
    np.testing.assert_array_equal(values <= threshold, rejected)


@given(st.integers(1, 400), st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.1, 0.3]))
def test_fewer_inputs_than_the_least_number_of_discoveries_are_not_flagged(
    references: int, inputs: int, fdr: float
) -> None:
    smallest = 1 / (references + 1)
    least = min_discoveries(smallest, inputs, fdr)
    for count in {min(least, inputs), min(least - 1, inputs)}:
        threshold = discovery_threshold({smallest: count, 1.0: inputs - count}, fdr)
        assert (threshold == smallest) == (count >= least)


def test_the_share_of_false_discoveries_stays_below_the_rate() -> None:
    """Split p-values share their references; of 50 inputs 45 are like these, and 5 are far out."""
    rng, shares, power = np.random.default_rng(5), [], []
    for _ in range(1500):
        calibration = rng.normal(size=199)
        scores = np.concatenate([rng.normal(size=45), rng.normal(4, 1, size=5)])
        values = p_values(calibration, scores)
        found = values <= discovery_threshold(Counter(values.tolist()), 0.2)
        shares.append(found[:45].sum() / max(found.sum(), 1))
        power.append(found[45:].mean())
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    # The theorem's bound is the rate times the share of inputs like the references, reached by continuous scores.
    assert np.mean(shares) <= 0.2 * 45 / 50 + 3 * error
    assert np.mean(shares) >= 0.2 * 45 / 50 - 0.05
    assert np.mean(power) > 0.5
