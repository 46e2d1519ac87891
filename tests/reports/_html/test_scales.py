"""Scales of charts and their marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.reports._html.scales import Scale, log_scale


@given(st.lists(st.floats(1e-12, 1e6), min_size=1))
def test_logarithmic_scales_hold_their_values_and_have_marks(values):
    scale = log_scale(values, 100, 0)
    assert scale.low <= min(values) * (1 + 1e-6)
    assert scale.high >= max(values) * (1 - 1e-6)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(0 <= scale(tick) <= 100 for tick in ticks)


@pytest.mark.parametrize(("low", "high", "ticks"), [(0, 10, [0, 2, 4, 6, 8, 10]), (-3, 5, [-2, 0, 2, 4])])
def test_linear_scales_have_round_marks(low, high, ticks):
    assert Scale(low, high, 0, 1).ticks() == ticks
