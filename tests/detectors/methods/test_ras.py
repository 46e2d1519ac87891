"""Ranked activation shift against ranks, and against what it does not depend on."""

from dataclasses import replace

import numpy as np
import pytest
from detector_inputs import reference_features, reference_info, score
from scipy.special import logsumexp
from scipy.stats import rankdata


@pytest.mark.parametrize("count", [10, 33])
def test_it_is_the_energy_of_the_mean_reference_of_each_rank(count: int) -> None:
    info, reference, inputs = reference_info(), reference_features(1, count), reference_features(2, 8)
    ordered = [sorted(h) for h in reference.features]
    profile = [np.mean([h[place] for h in ordered]) for place in range(len(ordered[0]))]
    expected = []
    for h in inputs.features:
        shifted = [profile[int(rank) - 1] for rank in rankdata(h, method="ordinal")]
        expected.append(-logsumexp(info.head.weight @ shifted + info.head.bias))
    np.testing.assert_allclose(score("ras", info, inputs, reference), expected, rtol=1e-12)


def test_only_the_order_of_features_counts() -> None:
    info, reference, inputs = reference_info(), reference_features(1, 20), reference_features(2, 8)
    expected = score("ras", info, inputs, reference)
    for increasing in (np.exp, lambda h: 3 * h - 7, np.arctan):
        moved = replace(inputs, features=increasing(inputs.features))
        np.testing.assert_array_equal(score("ras", info, moved, reference), expected)


def test_a_single_kind_of_reference_keeps_its_energy() -> None:
    """The values of a permuted reference are put back at the same places."""
    info, inputs = reference_info(), reference_features(2, 8)
    row = inputs.rows([3])
    permuted = [np.random.default_rng(seed).permutation(row.features[0]) for seed in range(10)]
    reference = replace(reference_features(1, 10), features=np.stack(permuted))
    np.testing.assert_allclose(score("ras", info, row, reference), score("energy", info, row), rtol=1e-12)
