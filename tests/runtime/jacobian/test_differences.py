"""Units that switch between both sides of a difference."""

from __future__ import annotations

import numpy as np
from jacobian_models import POINTS, ROUNDING, W, net

from onnx_ood.runtime import jacobian_norms


class TestExactShare:
    def test_counts_differences_within_one_region(self, save) -> None:
        model = net("h = Gemm (x, w) r = Relu (h) y = Neg (r)", save)
        on_a_bend = np.zeros((1, 6), np.float32)
        found = jacobian_norms(model, np.concatenate([POINTS, on_a_bend]), patterns=["r"], directions=6)
        assert found.exact_fraction is not None
        np.testing.assert_array_equal(found.exact_fraction, [1] * 5 + [0])

    def test_the_tensor_itself_may_be_a_code(self, save) -> None:
        model = net("h = Gemm (x, w) y = Relu (h)", save)
        found = jacobian_norms(model, POINTS, probe="y", patterns=["op:Relu"], directions=6)
        np.testing.assert_array_equal(found.exact_fraction, 1)
        np.testing.assert_allclose(
            found.norm, [np.linalg.norm(W[:, x @ W > 0]) for x in POINTS], rtol=ROUNDING
        )

    def test_is_never_smaller_for_a_linear_model_at_any_step(self, save) -> None:
        model = net("h = Gemm (x, w) s = Sigmoid (h) y = Neg (s)", save)
        # A sigmoid is never off, so nothing can switch.
        found = jacobian_norms(model, POINTS, patterns=["s"], directions=3)
        np.testing.assert_array_equal(found.exact_fraction, 1)
