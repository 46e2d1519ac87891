"""Trimming of references: leave-one-out distances against refits, breakdown, invariance and normal data."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.detectors.models.gaussian import SHRINKAGE
from onnx_ood.detectors.models.trimming import _left_out_distances, outlyingness, typical_rows

# Three and a half robust standard deviations.
CUT = 3.5


@pytest.mark.parametrize(("count", "features"), [(12, 40), (60, 5)])
def test_left_out_distances_are_those_of_a_dense_refit(count: int, features: int) -> None:
    """A dense d × d inverse without the input; the outside part, s·tr C / d, stays that of the whole core."""
    rows = np.random.default_rng(count).normal(size=(count, features))
    core = np.arange(count // 2)
    members = len(core)
    outside = SHRINKAGE * np.trace(np.cov(rows[core].T)) / features * np.eye(features)

    def dense(at: int) -> float:
        rest = rows[core[core != at]]
        away = rest - rest.mean(axis=0)
        # The sum of squares without the input, over the m − 1 of the whole core.
        matrix = (1 - SHRINKAGE) * away.T @ away / (members - 1) + outside
        difference = rows[at] - rest.mean(axis=0)
        return float(np.sqrt(difference @ np.linalg.inv(matrix) @ difference))

    expected = [dense(at) for at in range(count)]
    np.testing.assert_allclose(_left_out_distances(rows, core), expected, rtol=1e-8)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("size", [10.0, 1e6])
def test_a_cluster_of_foreign_inputs_is_found_and_does_not_move_the_others(share: float, size: float) -> None:
    """Below half, foreign inputs neither hide themselves nor make others look foreign, however far they are."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(200, 30))
    foreign = np.arange(200) < share * 200
    rows[foreign] = size + 0.1 * rng.normal(size=(int(foreign.sum()), 30))
    found = outlyingness(rows)
    assert found[foreign].min() > CUT
    assert np.mean(found[~foreign] > CUT) < 0.03


def test_normal_inputs_are_hardly_ever_called_foreign() -> None:
    rng = np.random.default_rng(0)
    shares = [
        np.mean(outlyingness(rng.normal(size=(n, 50))) > CUT) for n in (20, 60, 200, 500) for _ in range(20)
    ]
    assert np.mean(shares) < 0.01


def test_scale_and_shift_of_features_and_order_of_inputs_do_not_matter() -> None:
    """Equivariant under shifts and scales of single features: these are standardised by median and MAD."""
    rng = np.random.default_rng(1)
    rows, unsure = rng.normal(size=(40, 8)), rng.normal(size=40)
    order = rng.permutation(40)
    moved = rows * rng.uniform(0.01, 100, 8) * rng.choice([-1, 1], 8) + rng.normal(0, 10, 8)
    expected = outlyingness(rows, unsure)
    np.testing.assert_allclose(outlyingness(moved, unsure), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        outlyingness(rows[order], unsure[order]), expected[order], rtol=1e-8, atol=1e-10
    )


def test_uncertainty_finds_what_features_do_not() -> None:
    rng = np.random.default_rng(2)
    rows, unsure = rng.normal(size=(100, 4)), rng.normal(size=100)
    unsure[:10] += 20
    assert outlyingness(rows, unsure)[:10].min() > CUT
    assert np.mean(outlyingness(rows)[:10] > CUT) < 0.2


def test_features_that_do_not_differ_are_left_out() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(30, 3))
    padded = np.concatenate([rows, np.full((30, 2), 7.0)], axis=1)
    np.testing.assert_array_equal(outlyingness(padded), outlyingness(rows))
    np.testing.assert_array_equal(outlyingness(np.full((30, 2), 7.0)), np.zeros(30))


def test_too_few_inputs_and_infinities_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        outlyingness(np.zeros((9, 2)))
    with pytest.raises(ValueError, match="not finite"):
        outlyingness(np.full((10, 2), np.nan))


@pytest.mark.parametrize(("count", "kept"), [(10, 5), (20, 10), (41, 21)])
def test_half_are_kept_and_foreign_inputs_are_not_among_them(count: int, kept: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, 6))
    rows[:2] += 50
    found = typical_rows(rows)
    assert len(found) == kept
    assert found.tolist() == sorted(set(range(2, count)).intersection(found.tolist()))
