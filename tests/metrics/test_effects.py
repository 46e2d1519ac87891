"""Main effects against a computation by hand, and against least squares on dummies."""

from __future__ import annotations

import numpy as np

from onnx_ood.metrics.effects import main_effects


def test_a_small_grid_by_hand() -> None:
    # Mean 4; rows 3 and 5, columns 2, 4 and 6. Sums of squares: rows 3·(1 + 1) = 6, columns 2·(4 + 0 + 4) = 16, and of
    # all cells (1 − 4)² + (3 − 4)² + (5 − 4)² + (3 − 4)² + (5 − 4)² + (7 − 4)² = 22: nothing is left.
    np.testing.assert_allclose(main_effects([[1, 3, 5], [3, 5, 7]]), [6 / 22, 16 / 22])
    # With the upper left corner raised by 6, mean 5; rows 5 and 5, columns 5, 4 and 6, all cells 4 + 4 + 0 + 4 + 0 + 4.
    np.testing.assert_allclose(main_effects([[7, 3, 5], [3, 5, 7]]), [0, 4 / 16])


def test_shares_are_those_of_least_squares() -> None:
    grid = np.random.default_rng(0).normal(size=(4, 3, 2, 5)) + np.arange(4).reshape(4, 1, 1, 1)
    places = np.indices(grid.shape).reshape(grid.ndim, -1)
    values = grid.ravel()
    total = ((values - values.mean()) ** 2).sum()
    for axis, share in enumerate(main_effects(grid)):
        dummies = np.eye(grid.shape[axis])[places[axis]]
        fitted = dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0]
        assert abs(share - (1 - ((values - fitted) ** 2).sum() / total)) < 1e-12


def test_equal_values_have_no_effects() -> None:
    np.testing.assert_array_equal(main_effects(np.full((3, 7), 0.1)), [0, 0])
    np.testing.assert_array_equal(main_effects(np.zeros((2, 2, 2))), [0, 0, 0])


def test_small_differences_count_up_to_rounding() -> None:
    """Fractions depend neither on a common offset nor on the scale."""
    grid = np.random.default_rng(1).normal(size=(3, 4))
    for offset, scale in ((1.0, 1e-9), (0.0, 1e-12), (1e6, 1.0)):
        np.testing.assert_allclose(main_effects(offset + scale * grid), main_effects(grid), rtol=1e-5)
