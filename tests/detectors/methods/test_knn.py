"""Nearest neighbours against sorted lists."""

import math

import numpy as np
import pytest
from detector_inputs import reference_features, reference_info, score

from onnx_ood.detectors.methods.knn import neighbour


@pytest.mark.parametrize(("count", "k"), [(10, 1), (32, 1), (2200, 2)])
def test_it_is_a_distance_of_a_sorted_list(count: int, k: int) -> None:
    reference, inputs = reference_features(8, count), reference_features(9, 7)
    expected = []
    for h in inputs.features:
        cosines = [h @ r / math.sqrt((h @ h) * (r @ r)) for r in reference.features]
        expected.append(sorted(math.sqrt(2 - 2 * cosine) for cosine in cosines)[k - 1])
    np.testing.assert_allclose(score("knn", reference_info(), inputs, reference), expected, rtol=1e-9)


def test_the_neighbour_is_the_papers_share_of_references() -> None:
    assert [neighbour(n) for n in (1, 10, 72, 1000, 50_000)] == [1, 1, 1, 1, 50]
