"""Statistics over copies against numpy."""

from __future__ import annotations

import numpy as np

from onnx_ood.audits.score.perturbation_stats import PerturbationStats, PerturbedBatches

RNG = np.random.default_rng(0)
ALL = np.ones((5, 4, 2), bool)
BATCH = PerturbedBatches(*RNG.random((3, 5, 4, 2)), ALL)


def test_means_and_standard_errors_are_over_copies() -> None:
    scale = np.array([2.0, 0.5])
    found = PerturbationStats.of(BATCH, clean_runs=3, scale=scale)
    np.testing.assert_allclose(found.drop, BATCH.drop.mean(1) * scale)
    np.testing.assert_allclose(found.drop_error, BATCH.drop.std(1, ddof=1) / 2 * scale)
    np.testing.assert_allclose(found.distortion, BATCH.distortion.mean(1))
    np.testing.assert_allclose(found.flip_rate, BATCH.flip_rate.mean(1))
    assert (found.copies.tolist(), found.forwards.tolist()) == ([4] * 5, [7] * 5)


def test_one_copy_has_no_error_and_what_is_not_finite_stays_in_its_input() -> None:
    drop = BATCH.drop.copy()
    drop[2, 1, 0] = np.inf
    found = PerturbationStats.of(PerturbedBatches(drop, BATCH.distortion, BATCH.flip_rate, ALL))
    assert np.argwhere(~np.isfinite(found.drop)).tolist() == [[2, 0]]
    one = PerturbedBatches(
        *(values[:, :1] for values in (BATCH.drop, BATCH.distortion, BATCH.flip_rate, ALL))
    )
    assert np.isnan(PerturbationStats.of(one).drop_error).all()


def test_more_copies_are_appended_and_inputs_selected() -> None:
    more = BATCH.with_more(BATCH)
    np.testing.assert_array_equal(more.drop, np.concatenate([BATCH.drop, BATCH.drop], axis=1))
    chosen = np.array([True, False, False, True, False])
    np.testing.assert_array_equal(BATCH.at(chosen).flip_rate, BATCH.flip_rate[[0, 3]])


def test_parts_join_in_the_order_of_the_batch() -> None:
    whole = PerturbationStats.of(BATCH)
    rows = [np.array([3, 0]), np.array([4, 1, 2])]
    parts = []
    for some in rows:
        fields = (BATCH.drop[some], BATCH.distortion[some], BATCH.flip_rate[some], ALL[some])
        parts.append(PerturbationStats.of(PerturbedBatches(*fields)))
    joined = PerturbationStats.joined(parts, rows)
    for field in ("copies", "forwards", "drop", "drop_error", "distortion", "flip_rate"):
        np.testing.assert_array_equal(getattr(joined, field), getattr(whole, field))


def test_copies_that_are_not_comparable_are_left_out_and_counted() -> None:
    comparable = ALL.copy()
    comparable[1, :2, 0] = comparable[3, :, 1] = False
    values = [np.where(comparable, one, np.nan) for one in (BATCH.drop, BATCH.distortion, BATCH.flip_rate)]
    found = PerturbationStats.of(PerturbedBatches(*values, comparable))
    expected = np.nanmean(BATCH.drop, axis=1)
    expected[1, 0] = BATCH.drop[1, 2:, 0].mean()
    expected[3, 1] = np.nan
    np.testing.assert_allclose(found.drop, expected)
    assert found.drop_error[1, 0] == np.float64(BATCH.drop[1, 2:, 0].std(ddof=1) / 2**0.5)
    np.testing.assert_allclose(found.flip_rate[1, 0], BATCH.flip_rate[1, 2:, 0].mean())
    assert found.not_comparable.tolist() == [[0, 0], [2, 0], [0, 0], [0, 4], [0, 0]]
