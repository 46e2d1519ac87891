"""Terms of combined scores."""

from __future__ import annotations

import numpy as np

from onnx_ood.detectors import CombinedDetector, Features, TermValues
from onnx_ood.detectors.terms import largest_layers


def test_the_largest_layer_has_the_largest_sum_not_the_largest_number() -> None:
    contributions = np.zeros((2, 3, 9))
    contributions[0, 1, 0], contributions[0, 2] = 5.0, 1.0  # 5 against 9
    contributions[1, 0, :2], contributions[1, 1, 0] = (9.0, -8.0), 3.0  # 1 against 3
    np.testing.assert_array_equal(largest_layers(contributions.reshape(2, 27)), [2, 1])


def test_any_callable_with_terms_is_a_combined_detector() -> None:
    class Explained:
        terms, left_out, held_out = (), {}, None

        def explain(self, features: Features) -> TermValues:
            return TermValues(np.zeros((len(features), 0)), np.zeros((len(features), 0), np.intp))

    assert isinstance(Explained(), CombinedDetector)
    assert not isinstance(lambda features: features, CombinedDetector)
