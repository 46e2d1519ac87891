"""Combined scores against plain loops."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.detectors import Features, FittedDetector
from onnx_ood.detectors.calibration.combine import held_out_scores, separation, soft_maximum, z_scores
from onnx_ood.detectors.models.gaussian import ShrunkGaussian


def from_mean(known: Features) -> FittedDetector:
    assert known.features is not None
    mean = known.features.mean(axis=0)
    return lambda features: np.linalg.norm(features.features - mean, axis=1)


def test_each_reference_is_scored_by_the_others() -> None:
    rows = np.random.default_rng(0).normal(size=(9, 3))
    expected = [math.dist(rows[i], np.delete(rows, i, axis=0).mean(axis=0)) for i in range(9)]
    found, of_altered = held_out_scores(from_mean, Features(features=rows), 9)
    np.testing.assert_allclose(found, expected)
    assert of_altered == []


@given(st.integers(2, 15), st.data())
def test_each_fold_is_scored_by_the_other_folds(count: int, data: st.DataObject) -> None:
    folds = data.draw(st.integers(2, count))
    rows = np.random.default_rng(count).normal(size=(count, 2))
    expected = []
    for i in range(count):
        others = [rows[j] for j in range(count) if j % folds != i % folds]
        expected.append(math.dist(rows[i], np.mean(others, axis=0)))
    np.testing.assert_allclose(held_out_scores(from_mean, Features(features=rows), folds)[0], expected)


@given(st.integers(2, 15), st.data())
def test_altered_references_are_scored_by_the_folds_of_their_references(
    count: int, data: st.DataObject
) -> None:
    folds = data.draw(st.integers(2, count))
    rng = np.random.default_rng(count)
    rows = rng.normal(size=(count, 2))
    sets = []
    for size in data.draw(st.lists(st.integers(1, 6), max_size=3)):
        sets.append((rng.normal(size=(size, 2)), rng.integers(0, count, size)))
    altered = [(Features(features=values), of) for values, of in sets]
    _, found = held_out_scores(from_mean, Features(features=rows), folds, altered)
    assert len(found) == len(sets)
    for scores, (values, of) in zip(found, sets, strict=True):
        for score, value, i in zip(scores, values, of, strict=True):
            others = [rows[j] for j in range(count) if j % folds != i % folds]
            assert score == pytest.approx(math.dist(value, np.mean(others, axis=0)))


def test_held_out_scores_are_those_of_new_inputs() -> None:
    """With fewer references than features, their own distances are nearly equal, and far too small."""
    rng = np.random.default_rng(1)
    reference, new = rng.normal(size=(24, 60)), rng.normal(size=(300, 60))
    gaussian = ShrunkGaussian(reference)
    held, _ = held_out_scores(
        lambda known: lambda one: ShrunkGaussian(known.features).distances(one.features),
        Features(features=reference),
        24,
    )
    fresh = gaussian.distances(new)
    assert gaussian.distances(reference).mean() < 0.8 * fresh.mean()
    assert abs(held.mean() / fresh.mean() - 1) < 0.05
    assert abs(z_scores(fresh, held, distance=True).mean()) < 1


@pytest.mark.parametrize("folds", [1, 6])
def test_folds_need_references(folds: int) -> None:
    with pytest.raises(ValueError, match=f"{folds} folds for 5 references"):
        held_out_scores(from_mean, Features(features=np.ones((5, 1))), folds)


@given(
    st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5), st.floats(0.2, 20)
)
def test_the_soft_maximum_is_that_of_loops(rows: list[list[float]], temperature: float) -> None:
    expected = [
        temperature * math.log(statistics.fmean(math.exp(v / temperature) for v in row)) for row in rows
    ]
    np.testing.assert_allclose(soft_maximum(np.array(rows), temperature), expected, rtol=1e-9, atol=1e-9)


def test_the_soft_maximum_lies_between_mean_and_maximum_and_does_not_overflow() -> None:
    values = np.random.default_rng(0).normal(0, 3, (50, 6))
    found = soft_maximum(values, 2.0)
    assert (values.mean(axis=1) <= found).all()
    assert (found <= values.max(axis=1)).all()
    np.testing.assert_allclose(soft_maximum(values, 1e6), values.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(soft_maximum(values * 1e6, 1.0), values.max(axis=1) * 1e6, atol=2)


@given(st.data())
def test_separation_counts_pairs(data: st.DataObject) -> None:
    few = st.lists(st.integers(-3, 3), min_size=1, max_size=7)
    references, altered = data.draw(few), data.draw(st.lists(few, min_size=1, max_size=3))
    areas = []
    for one in altered:
        pairs = [(a > r) + 0.5 * (a == r) for a in one for r in references]
        areas.append(statistics.fmean(pairs))
    found = separation(np.array(references, float), [np.array(one, float) for one in altered])
    assert found == pytest.approx(max(2 * statistics.fmean(areas) - 1, 0))


def test_a_score_without_spread_counts_as_0() -> None:
    scores = np.array([1.0, 5.0])
    np.testing.assert_array_equal(z_scores(scores, np.full(7, 0.1), distance=False), 0)
    # A distance of 0 is near, not an error.
    found = z_scores(np.array([0.0, 1.0]), np.array([0.5, 1.0, 2.0]), distance=True)
    assert found[0] < -10
    assert abs(found[1]) < 1e-9


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references, found 1"):
        z_scores(np.ones(3), np.ones(1), distance=False)


@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 1e6])
def test_z_scores_are_in_standard_deviations_of_any_size(scale: float) -> None:
    held, new = np.array([1.0, 2.5, 2.0, 7.0]) * scale, np.array([0.5, 9.0]) * scale
    expected = [(one - statistics.mean(held)) / statistics.stdev(held) for one in new]
    np.testing.assert_allclose(z_scores(new, held, distance=False), expected, rtol=1e-12)
    logs = [math.log(one) for one in held]
    expected = [(math.log(one) - statistics.mean(logs)) / statistics.stdev(logs) for one in new]
    np.testing.assert_allclose(z_scores(new, held, distance=True), expected, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_a_spread_needs_two_references(count: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 references, found {count}"):
        z_scores(np.ones(3), np.ones(count), distance=False)


def test_equal_references_tell_nothing() -> None:
    np.testing.assert_array_equal(z_scores(np.array([1.0, 5.0]), np.full(4, 3.0), distance=False), [0, 0])
