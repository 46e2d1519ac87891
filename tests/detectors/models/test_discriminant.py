"""The discriminant against scikit-learn's, and against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.detectors.models.discriminant import Discriminant


def made(seed: int, count: int, features: int, sets: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """References, pseudo-OOD sets and new inputs, some features of which are far out."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features))
    good = rng.normal(size=(count, features)) @ mixing
    pseudo_ood = [
        (rng.normal(rng.normal(0, 1, features), 1, (count, features)) @ mixing) * rng.uniform(0.5, 2)
        for _ in range(sets)
    ]
    return good, pseudo_ood, 2 * rng.normal(size=(6, features)) @ mixing


@given(st.integers(0, 500), st.integers(3, 15), st.integers(1, 40), st.integers(1, 4), st.booleans())
def test_scores_are_those_of_a_dense_solve(
    seed: int, count: int, features: int, sets: int, paired: bool
) -> None:
    good, pseudo_ood, rows = made(seed, count, features, sets)
    pseudo_ood = [one[: max(2, count - k)] for k, one in enumerate(pseudo_ood)]
    rng = np.random.default_rng(seed)
    made_from = [rng.integers(0, count, len(one)) for one in pseudo_ood] if paired else None
    originals = [good[which] for which in made_from] if made_from else [good] * sets

    def clipped(x: np.ndarray) -> np.ndarray:
        return np.clip((x - good.mean(axis=0)) / good.std(axis=0, ddof=1), -6, 6)

    within = np.cov(clipped(good).T) + np.mean([np.cov(clipped(one).T) for one in pseudo_ood], axis=0)
    within = np.atleast_2d(within)
    shrunk = 0.7 * within + 0.3 * np.trace(within) / features * np.eye(features)
    apart = [
        clipped(one).mean(axis=0) - clipped(of).mean(axis=0)
        for one, of in zip(pseudo_ood, originals, strict=True)
    ]
    direction = np.linalg.solve(shrunk, np.mean([one / np.sqrt(one @ one) for one in apart], axis=0))
    np.testing.assert_allclose(
        Discriminant(good, pseudo_ood, made_from).score(rows), clipped(rows) @ direction, rtol=1e-8, atol=1e-9
    )


@pytest.mark.real
@pytest.mark.parametrize(("count", "features"), [(40, 6), (12, 50)])
@pytest.mark.parametrize("sets", [1, 3])
def test_scores_are_those_of_scikit_learn(count: int, features: int, sets: int) -> None:
    """With half of the prior on references, and the other half shared by the sets.

    Its covariance then is half of ours, but for n instead of n − 1; so its scores are ours times 2·n/(n − 1).
    """
    analysis = pytest.importorskip(
        "sklearn.discriminant_analysis", reason="scikit-learn is not installed, but by `make test-real`"
    )
    good, pseudo_ood, rows = made(7, count, features, sets)
    mean, deviation = good.mean(axis=0), good.std(axis=0, ddof=1)
    data = np.clip((np.concatenate([good, *pseudo_ood]) - mean) / deviation, -6, 6)
    assert (np.abs(data) == 6).any()
    labels = np.repeat(np.arange(sets + 1), count)
    theirs = analysis.LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.3, priors=[0.5] + [0.5 / sets] * sets
    )
    theirs.fit(data, labels)
    coefficients = theirs.coef_ if sets > 1 else np.concatenate([0 * theirs.coef_, theirs.coef_])
    means = np.stack([data[labels == label].mean(axis=0) for label in range(sets + 1)])
    lengths = np.linalg.norm(means[1:] - means[0], axis=1, keepdims=True)
    direction = ((coefficients[1:] - coefficients[0]) / lengths).mean(axis=0)
    expected = np.clip((rows - mean) / deviation, -6, 6) @ direction * (count - 1) / (2 * count)
    np.testing.assert_allclose(Discriminant(good, pseudo_ood).score(rows), expected, rtol=1e-8)


def test_pseudo_ood_get_higher_scores() -> None:
    good, pseudo_ood, _ = made(3, 32, 300, 4)
    found = Discriminant(good[:16], [one[:16] for one in pseudo_ood])
    assert np.median(found.score(good[16:])) < min(np.median(found.score(one[16:])) for one in pseudo_ood)


def test_a_set_counts_the_same_however_far_out_it_is() -> None:
    """Moving one of two sets further in its own direction changes no score; a one like the references halves all."""
    good, (near, far), rows = made(5, 40, 8, 2)
    apart = far.mean(axis=0) - good.mean(axis=0)
    # Kept within the limit of six standard deviations, where clipping would bend the direction.
    scale = (
        0.2 / np.abs((np.concatenate([near, far, far + apart]) - good.mean(axis=0)) / good.std(axis=0)).max()
    )
    near, far = (good.mean(axis=0) + scale * (one - good.mean(axis=0)) for one in (near, far))
    further = far + 4 * scale * apart
    scores = Discriminant(good, [near, far]).score(rows)
    np.testing.assert_allclose(Discriminant(good, [near, further]).score(rows), scores, rtol=1e-8, atol=1e-9)
    alone = Discriminant(good, [good + 0.1])
    np.testing.assert_allclose(
        Discriminant(good, [good, good + 0.1]).score(rows), alone.score(rows) / 2, rtol=1e-6, atol=1e-9
    )


def test_far_features_are_clipped_and_constant_ones_dropped() -> None:
    good, pseudo_ood, rows = made(4, 20, 5, 2)
    scores = Discriminant(good, pseudo_ood).score(rows)
    wider = [
        np.concatenate([one, np.full((len(one), 1), value)], axis=1) for value, one in enumerate(pseudo_ood)
    ]
    found = Discriminant(np.concatenate([good, np.ones((20, 1))], axis=1), wider)
    np.testing.assert_allclose(found.score(np.concatenate([rows, rows[:, :1]], axis=1)), scores, rtol=1e-12)
    far = Discriminant(good, pseudo_ood).score(np.array([[1e3], [1e9]]) * good.std(axis=0))
    assert far[0] == far[1]


@pytest.mark.parametrize(
    ("good", "pseudo_ood", "reason"),
    [
        (np.eye(3), [], "no pseudo-OOD"),
        (np.eye(3), [np.eye(1, 3)], "fewer than 2 inputs"),
        (np.eye(3), [np.full((3, 3), np.inf)], "finite"),
        (np.eye(1, 3), [np.eye(3)], "2 inputs, found 1"),
        (np.ones((4, 3)), [np.eye(3)], "no spread"),
    ],
)
def test_invalid_features_are_refused(good: np.ndarray, pseudo_ood: list[np.ndarray], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Discriminant(good, pseudo_ood)


@pytest.mark.parametrize("side", [-1, 1])
def test_features_are_clipped_at_six_standard_deviations_on_both_sides(side: int) -> None:
    """The score is linear up to there: W·z of the standardised features, and constant beyond."""
    good, pseudo_ood, _ = made(4, 20, 1, 2)
    found = Discriminant(good, pseudo_ood)
    centre, unit = good.mean(axis=0), side * good.std(axis=0, ddof=1)
    at = [float(found.score((centre + steps * unit)[np.newaxis])[0]) for steps in (0, 3, 6, 6.5, 50)]
    assert at[0] == pytest.approx(0, abs=1e-9 * abs(at[1]))
    assert at[2] == pytest.approx(2 * at[1], rel=1e-9)
    assert at[3] == at[4] == pytest.approx(at[2], rel=1e-9)


def test_contributions_of_features_sum_to_the_score() -> None:
    good, pseudo_ood, rows = made(3, 10, 6, 2)
    good[:, 4] = -1.0  # a feature that does not differ is dropped
    found = Discriminant(good, pseudo_ood)
    contributions = found.contributions(rows)
    np.testing.assert_allclose(contributions.sum(axis=1), found.score(rows), rtol=1e-10)
    np.testing.assert_array_equal(contributions[:, 4], 0)


def test_contributions_of_sets_sum_to_the_score_and_name_the_set_that_an_input_is_like() -> None:
    rng = np.random.default_rng(11)
    reference = rng.normal(size=(300, 5))
    sets = [reference[:80] + 2 * axis + 0.1 * rng.normal(size=(80, 5)) for axis in np.eye(5)[:3]]
    found = Discriminant(reference, sets, [np.arange(80)] * 3)
    inputs = np.concatenate([3 * np.eye(5)[:3], rng.normal(size=(20, 5))])
    by_set = found.contributions_by_set(inputs)
    np.testing.assert_allclose(by_set.sum(axis=1), found.score(inputs), rtol=1e-10)
    np.testing.assert_array_equal(by_set[:3].argmax(axis=1), [0, 1, 2])


@given(st.integers(0, 500), st.integers(3, 15), st.integers(1, 40), st.integers(1, 4))
def test_towards_a_set_is_the_discriminant_of_that_set_alone_in_standard_deviations(
    seed: int, count: int, features: int, sets: int
) -> None:
    good, pseudo_ood, rows = made(seed, count, features, sets)

    def clipped(x: np.ndarray) -> np.ndarray:
        return np.clip((x - good.mean(axis=0)) / good.std(axis=0, ddof=1), -6, 6)

    within = np.atleast_2d(
        np.cov(clipped(good).T) + np.mean([np.cov(clipped(one).T) for one in pseudo_ood], axis=0)
    )
    shrunk = 0.7 * within + 0.3 * np.trace(within) / features * np.eye(features)
    found = Discriminant(good, pseudo_ood)
    towards = found.towards_sets(rows)
    for k, one in enumerate(pseudo_ood):
        apart = clipped(one).mean(axis=0) - clipped(good).mean(axis=0)
        direction = np.linalg.solve(shrunk, apart)
        expected = clipped(rows) @ direction / np.sqrt(apart @ direction)
        np.testing.assert_allclose(towards[:, k], expected, rtol=1e-7, atol=1e-8)
        parts = found.contributions_to_sets(rows, np.full(len(rows), k))
        np.testing.assert_allclose(parts.sum(axis=1), towards[:, k], rtol=1e-9, atol=1e-10)


def test_a_set_like_the_references_points_nowhere() -> None:
    good, pseudo_ood, rows = made(0, 12, 5, 1)
    towards = Discriminant(good, [good.copy(), *pseudo_ood]).towards_sets(rows)
    np.testing.assert_array_equal(towards[:, 0], 0)
    assert (towards[:, 1] != 0).all()
