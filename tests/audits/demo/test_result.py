"""Verdicts of the demo follow from intervals."""

from __future__ import annotations

import pytest

from onnx_ood.audits.demo.result import Area


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.51, 0.9, "detected"),
        (0.1, 0.49, "inverted"),
        (0.4, 0.6, "inconclusive"),
        (0.5, 0.5, "inconclusive"),
    ],
)
def test_a_direction_needs_an_interval_on_one_side_of_chance(low: float, high: float, verdict: str) -> None:
    assert Area(value=(low + high) / 2, low=low, high=high).verdict == verdict
