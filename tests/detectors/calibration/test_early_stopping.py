"""The rule of early stopping, without a model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.detectors import MIN_COPIES, TOLERANCE, CopyEffects, ScoreDistribution, plan_rounds, robust_z

FLOOR = 1e-12


def distribution(scores: list[float] | np.ndarray) -> ScoreDistribution:
    """A distribution of these scores; its statistics do not matter."""
    drops = np.exp(np.random.default_rng(0).standard_normal((40, 3)))
    learned = ScoreDistribution.learn(drops, np.zeros_like(drops), np.full(3, FLOOR))
    assert learned is not None
    return ScoreDistribution(learned.stats, np.sort(np.asarray(scores, dtype=np.float64)))


scores_of_others = st.lists(st.floats(0, 10), min_size=8, max_size=60)
one_score = st.floats(-1, 12)
an_error = st.floats(0, 5)


@given(st.integers(1, 300))
def test_rounds_end_with_all_copies_and_none_is_below_the_minimum(copies):
    rounds = plan_rounds(copies)
    assert rounds[-1] == copies
    assert list(rounds) == sorted(set(rounds))
    assert rounds[0] == min(copies, max(MIN_COPIES, (copies + 3) // 4))
    assert len(rounds) <= 3


@given(scores_of_others, one_score, an_error, an_error)
def test_a_larger_error_reaches_no_fewer_of_the_others(others, score, one, another):
    small, large = sorted((one, another))
    near, far = distribution(others).share_within(np.array([score, score]), np.array([small, large]))
    assert 0 <= near <= far <= 1


@given(st.lists(st.integers(0, 500), min_size=8, max_size=60, unique=True), one_score, an_error)
def test_the_share_is_that_of_others_within_the_error_to_the_precision_of_one(others, score, error):
    values = np.array(others) / 50
    (share,) = distribution(values).share_within(np.array([score]), np.array([error]))
    counted = np.mean((values >= score - error) & (values <= score + error))
    assert abs(share - counted) <= 1 / len(values) + 1e-12


@given(scores_of_others, one_score, an_error, an_error, st.integers(5, 64))
def test_more_spread_never_means_fewer_copies(others, score, one, another, copies):
    rounds = plan_rounds(copies)
    spread = np.sort([0.0, one, another])
    needed = distribution(others).converges_at(np.full(3, score), spread, rounds)
    assert needed[0] == rounds[0]
    assert list(needed) == sorted(needed)
    assert set(needed.tolist()) <= set(rounds)


@given(scores_of_others, one_score, st.floats(0, 20), st.integers(5, 64))
def test_copies_are_the_fewest_that_leave_at_most_the_tolerance_within_the_error(
    others, score, spread, copies
):
    compared = distribution(others)
    rounds = plan_rounds(copies)

    def share(k: int) -> float:
        error = spread * np.sqrt((copies - k) / (k * copies))
        low, high = (
            np.interp(end, compared.scores, (np.arange(len(others)) + 0.5) / len(others), 0.0, 1.0)
            for end in (score - error, score + error)
        )
        return float(high - low)

    (needed,) = compared.converges_at(np.array([score]), np.array([spread]), rounds)
    # Leave out cases that rounding decides.
    if all(abs(share(k) - TOLERANCE) > 1e-9 for k in rounds):
        assert needed == next(k for k in rounds if share(k) <= TOLERANCE)


def drawn(
    inputs: int, copies: int, noise: float, common: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Means of drops [N, P] by input, and drops [N, K, P] around them; a part of the noise is shared by all inputs."""
    generator = np.random.default_rng(seed)
    means = np.exp(generator.normal(-5, 0.5, (inputs, 4)))
    shared = generator.normal(0, common, (1, copies, 4))
    # Effects common to the probes of an input count as well.
    own = generator.normal(0, noise, (inputs, copies, 1)) + generator.normal(
        0, noise / 2, (inputs, copies, 4)
    )
    return means, means[:, np.newaxis] * (1 + shared + own)


def learn(drops: np.ndarray) -> tuple[CopyEffects, ScoreDistribution]:
    """From inputs that have all copies."""
    effects = CopyEffects((drops / drops.mean(axis=1, keepdims=True)).mean(axis=0))
    errors = drops.std(axis=1, ddof=1) / np.sqrt(drops.shape[1])
    compared = ScoreDistribution.learn(drops.mean(axis=1), errors, np.full(4, FLOOR))
    assert compared is not None
    return effects, compared


@pytest.mark.parametrize("first", [4, 8])
def test_the_error_is_the_change_of_the_score_by_all_copies(first):
    """Over many inputs, errors by the rule equal the effect of further copies."""
    _, drops = drawn(3000, 16, noise=0.05, common=0.2)
    effects, compared = learn(drops)
    scores, spread = effects.linearise(drops[:, :first], compared.stats)
    # Standard errors, which also enter the score, stay the same: the rule is about the drops.
    some, every = drops[:, :first].mean(axis=1), drops.mean(axis=1)
    relative = drops[:, :first].std(axis=1, ddof=1) / np.sqrt(first) / some
    exact = robust_z(every, relative * every, compared.stats).score
    moved = np.sqrt(np.mean((scores - exact) ** 2))
    expected = np.sqrt(np.mean(spread**2) * (1 / first - 1 / 16))
    assert expected == pytest.approx(moved, rel=0.1)


def test_effects_common_to_all_inputs_are_no_error():
    """All inputs' drops go up and down together: their order is known from the first copies."""
    means, drops = drawn(64, 16, noise=0, common=0.3)
    effects, compared = learn(drops)
    assert np.all(effects.copies_needed(drops[:, :4], compared, (4, 8, 16)) == 4)
    scaled = drops[:, :4].mean(axis=1) * effects.scale(4)
    np.testing.assert_allclose(scaled, drops.mean(axis=1), rtol=1e-12)
    assert not np.allclose(drops[:, :4].mean(axis=1), drops.mean(axis=1), rtol=0.01)
    np.testing.assert_array_equal(effects.scale(16), 1.0)
    assert means.shape == scaled.shape


def test_an_input_far_from_all_others_has_converged_and_one_among_them_has_not():
    _, drops = drawn(64, 16, noise=0.3, common=0)
    effects, compared = learn(drops)
    alone = drops[:2] * np.array([1e4, 1.0])[:, np.newaxis, np.newaxis]
    median = np.argsort(robust_z(drops.mean(axis=1), np.zeros((64, 4)), compared.stats).score)[32]
    alone[1] = drops[median]
    assert effects.copies_needed(alone[:, :4], compared, (4, 8, 16)).tolist() == [4, 16]


def test_an_input_that_is_not_finite_needs_no_more_copies():
    _, drops = drawn(64, 16, noise=0.3, common=0)
    effects, compared = learn(drops)
    expected = effects.copies_needed(drops[:5, :4], compared, (4, 8, 16))
    broken = drops[:5, :4].copy()
    broken[1, 2, 3], broken[3, 0, 0] = np.nan, np.inf
    expected[[1, 3]] = 4
    np.testing.assert_array_equal(effects.copies_needed(broken, compared, (4, 8, 16)), expected)


def test_a_probe_below_its_floor_has_no_effect():
    """Copies differ at one probe only, whose mean is below the floor."""
    _, drops = drawn(64, 16, noise=0.3, common=0)
    effects, compared = learn(drops)
    low = np.repeat(drops[:8].mean(axis=1, keepdims=True), 4, axis=1) * effects.relative[:4]
    low[:, :, 1] = FLOOR / 10 * (1 + np.random.default_rng(1).random((8, 4)))
    np.testing.assert_allclose(effects.linearise(low, compared.stats)[1], 0, atol=1e-12)


def test_too_few_inputs_give_no_distribution():
    assert ScoreDistribution.learn(np.ones((7, 2)), np.zeros((7, 2)), np.full(2, FLOOR)) is None
    assert ScoreDistribution.learn(np.ones((9, 2)), np.zeros((9, 2)), np.full(2, FLOOR)) is None


def test_the_spread_is_a_sum_over_probes_of_derivatives_times_effects():
    """By finite differences of the score, with errors as large as the spread between inputs."""
    _, drops = drawn(64, 8, noise=0.5, common=0.5, seed=2)
    drops = np.abs(drops)
    effects, compared = learn(drops)
    first = drops[:, :4]
    scale = effects.relative.mean(axis=0) / effects.relative[:4].mean(axis=0)
    means, errors = first.mean(axis=1), first.std(axis=1, ddof=1) / 2
    # They matter: without them the score would be another one.
    relative = errors / means
    assert (relative.mean(axis=0) > 0.3 * compared.stats.spread).all()

    def score(moved: np.ndarray) -> np.ndarray:
        """Relative errors stay as they are."""
        return robust_z(means * scale * moved, errors * scale * moved, compared.stats).score

    expected, step = np.zeros((64, 4)), 1e-5
    for p in range(4):
        up, down = (np.exp(sign * step * np.eye(4)[p]) for sign in (1, -1))
        slope = (score(up) - score(down)) / (2 * step)
        effect = first[:, :, p] / means[:, p, np.newaxis] - effects.relative[:4, p] * scale[p]
        expected += slope[:, np.newaxis] * effect
    scores, spread = effects.linearise(first, compared.stats)
    np.testing.assert_allclose(scores, score(np.ones(4)), rtol=1e-12)
    np.testing.assert_allclose(spread, expected.std(axis=1, ddof=1), rtol=1e-6)
