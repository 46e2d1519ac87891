"""What answers keep: a bound of mutual information, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy as shannon

from onnx_ood.metrics.mutual_information import UNIFORM_WEIGHT, entropy, mutual_information_bound


def test_all_photos_alike_tell_nothing() -> None:
    for answer in ([0.25] * 4, [1.0, 0, 0, 0]):
        same = np.tile(answer, (6, 1))
        assert mutual_information_bound(same, [same], np.full((1, 6), 1 / 6))[0] == pytest.approx(
            0, abs=2 * UNIFORM_WEIGHT
        )


def test_sure_answers_that_stay_tell_all_there_is() -> None:
    clean = np.eye(4)
    found = mutual_information_bound(clean, [clean, clean], np.full((1, 4), 1 / 4))[0]
    assert found == pytest.approx(np.log(4), abs=2 * UNIFORM_WEIGHT)


def test_sure_answers_that_change_count_against() -> None:
    clean = np.eye(4)
    found = mutual_information_bound(clean, [clean[::-1]], np.full((1, 4), 1 / 4))[0]
    assert found == pytest.approx(np.log(4) + np.log(UNIFORM_WEIGHT / 4))


def test_never_more_than_the_mutual_information() -> None:
    rng = np.random.default_rng(0)
    clean, copy = (rng.dirichlet(np.full(5, 0.3), 40) for _ in range(2))
    weights = rng.dirichlet(np.ones(40), 3)
    found = mutual_information_bound(clean, [copy], weights)
    for row, value in zip(weights, found, strict=True):
        mutual = shannon(row @ copy) - row @ shannon(copy, axis=1)
        assert value <= mutual + 1e-12
    np.testing.assert_allclose(entropy(copy), shannon(copy, axis=1))
