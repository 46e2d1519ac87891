"""The Frobenius norm of a Jacobian from few directions: without bias, with an honest standard error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from onnx_ood import metrics
from onnx_ood.perturb.directions import Directions

INPUTS, OUTPUTS = 30, 4


def matrix(rank: int = OUTPUTS, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((OUTPUTS, rank)) @ rng.standard_normal((rank, INPUTS))


def squares(jacobian: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    directions = Directions((INPUTS,), count, seed)
    drawn = np.array([directions[i] for i in range(directions.count)])
    squared: np.ndarray = np.sum((drawn @ jacobian.T) ** 2, axis=1)
    return squared


def rotation(seed: int) -> np.ndarray:
    return stats.ortho_group.rvs(INPUTS, random_state=seed)


class TestFrobeniusNorm:
    @given(seed=st.integers(0, 2**32 - 1))
    def test_every_complete_frame_gives_it_exactly(self, seed: int) -> None:
        jacobian = matrix()
        norm, error = metrics.frobenius_norm(np.sum((jacobian @ rotation(seed)) ** 2, axis=0), INPUTS)
        assert norm == pytest.approx(np.linalg.norm(jacobian), rel=1e-12)
        assert error == 0

    @given(scale=st.floats(1e-6, 1e6), count=st.integers(2, INPUTS), seed=st.integers(0, 99))
    def test_scales_with_the_jacobian(self, scale: float, count: int, seed: int) -> None:
        norm, error = metrics.frobenius_norm(squares(matrix(), count, seed), INPUTS)
        scaled = metrics.frobenius_norm(squares(scale * matrix(), count, seed), INPUTS)
        np.testing.assert_allclose(scaled, [scale * norm, scale * error], rtol=1e-9)

    @pytest.mark.parametrize("rank", [1, OUTPUTS])
    @pytest.mark.parametrize("count", [2, 8, 25])
    def test_its_square_and_the_variance_of_that_are_unbiased(self, rank: int, count: int) -> None:
        jacobian = matrix(rank)
        norms = metrics.frobenius_norm([squares(jacobian, count, seed) for seed in range(2000)], INPUTS)
        found = np.stack(norms, axis=1)
        estimates = found[:, 0] ** 2
        # The delta method, backwards.
        variances = (2 * found[:, 0] * found[:, 1]) ** 2
        gram = jacobian.T @ jacobian
        single = 2 / (INPUTS * (INPUTS + 2)) * (np.sum(gram**2) - np.trace(gram) ** 2 / INPUTS)
        variance = INPUTS**2 * single / count * (INPUTS - count) / (INPUTS - 1)
        # Four standard errors of a mean: one in 16,000 is beyond by chance.
        assert abs(estimates.mean() - np.trace(gram)) < 4 * np.sqrt(variance / len(estimates))
        assert abs(variances.mean() - variance) < 4 * variances.std() / np.sqrt(len(variances))

    @pytest.mark.parametrize(("rank", "expected"), [(1, 0.97), (9, 0.99)])
    def test_lies_within_three_standard_errors_nearly_always(self, rank: int, expected: float) -> None:
        # `rank` equal singular values, from 32 of 784 directions.
        jacobian = np.eye(rank, 784)
        draws = 500
        inside = 0
        for seed in range(draws):
            directions = Directions((784,), 32, seed)
            found = [np.sum((jacobian @ directions[i]) ** 2) for i in range(32)]
            norm, error = metrics.frobenius_norm(found, 784)
            inside += bool(abs(norm - np.sqrt(rank)) <= 3 * error)
        # Four standard errors of the count.
        assert inside / draws > expected - 4 * np.sqrt(expected * (1 - expected) / draws)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf])
    def test_is_unknown_where_a_square_is(self, wrong: float) -> None:
        norm, error = metrics.frobenius_norm([[1.0, 2.0], [1.0, wrong]], 5)
        assert np.isfinite([norm[0], error[0]]).all()
        assert np.isnan([norm[1], error[1]]).all()
        assert np.isnan(metrics.frobenius_norm([[1.0, wrong]], 2)).all()

    def test_of_nothing_is_nothing(self) -> None:
        np.testing.assert_array_equal(metrics.frobenius_norm(np.zeros((1, 3)), 5), [[0.0], [0.0]])

    def test_of_one_direction_has_no_known_error_unless_there_is_no_other(self) -> None:
        norm, error = metrics.frobenius_norm([4.0], 9)
        assert norm == 6
        assert np.isnan(error)
        np.testing.assert_array_equal(metrics.frobenius_norm([4.0], 1), [2.0, 0.0])


class TestStepDisagreement:
    def test_is_the_relative_distance_of_lengths(self) -> None:
        assert metrics.step_disagreement([9.0, 16.0], [16.0, 9.0]) == pytest.approx(np.sqrt(2 / 25))

    def test_of_lengths_that_err_to_both_sides_does_not_cancel(self) -> None:
        assert metrics.step_disagreement([1.1**2, 0.9**2], [1.0, 1.0]) == pytest.approx(0.1)

    def test_has_its_limits(self) -> None:
        found = metrics.step_disagreement(
            [[0, 0], [1, 1], [np.nan, 1], [np.inf, 1]], [[0, 0], [0, 0], [1, 1], [1, 1]]
        )
        np.testing.assert_array_equal(found, [0, np.inf, np.nan, np.nan])


class TestSoftmax:
    @given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=6))
    def test_is_that_of_scipy(self, logits: list[float]) -> None:
        np.testing.assert_allclose(metrics.softmax(logits), special.softmax(logits), atol=1e-15)

    def test_is_unknown_where_a_logit_is(self) -> None:
        found = metrics.softmax([[0.0, np.inf], [0.0, 0.0], [np.nan, 0.0]])
        assert np.isnan(found[[0, 2]]).all()
        np.testing.assert_array_equal(found[1], [0.5, 0.5])

    def test_moves_by_its_jacobian(self) -> None:
        p, change = metrics.softmax([0.3, -1.0, 2.0]), np.array([0.5, 1.5, -2.0])
        expected = (np.diag(p) - np.outer(p, p)) @ change
        np.testing.assert_allclose(metrics.through_softmax(p, change), expected, rtol=1e-12)
