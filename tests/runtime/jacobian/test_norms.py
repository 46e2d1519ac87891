"""Estimates of Jacobian norms compared with norms from all directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnx_ood.runtime.jacobian.norms import JacobianCheck, JacobianNorms


def test_errors_are_relative_and_in_standard_errors() -> None:
    exact = JacobianNorms(
        norm=np.array([2.0, 4.0, 0.0, np.nan]),
        standard_error=np.zeros(4),
        step=np.ones(4),
        disagreement=np.zeros(4),
        directions=9,
        function="'y'",
        exact_fraction=None,
        note="",
    )
    estimate = replace(
        exact, norm=np.array([2.5, 3.0, 0.0, 1.0]), standard_error=np.array([0.25, 0.0, 1.0, 1.0])
    )
    check = JacobianCheck(estimate, exact)
    np.testing.assert_array_equal(check.deviation, [0.25, -0.25, np.nan, np.nan])
    np.testing.assert_array_equal(check.in_standard_errors, [2.0, np.nan, 0.0, np.nan])
