"""Intervals of changes, against the closed form for normal values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.audits.diff.metric_changes import change_with_interval, change_without_interval, one_sided

Values = st.floats(-10, 10)
Widths = st.floats(0, 5)


@given(Values, Widths, Values, Widths)
def test_even_intervals_add_as_errors_of_independent_values_do(
    a: float, da: float, b: float, db: float
) -> None:
    change = change_with_interval("m", (a, a - da, a + da), (b, b - db, b + db))
    assert change.change == b - a
    half = (da**2 + db**2) ** 0.5
    assert change.low == pytest.approx(b - a - half, abs=1e-9)
    assert change.high == pytest.approx(b - a + half, abs=1e-9)
    assert change.beyond_noise == (not change.low <= 0 <= change.high)


def test_a_value_without_noise_changes_by_what_it_changes() -> None:
    change = change_with_interval("size", (3.0, None, None), (2.0, None, None))
    assert (change.change, change.low, change.high, change.beyond_noise) == (-1, -1, -1, True)


def test_without_an_interval_the_noise_is_unknown() -> None:
    change = change_without_interval("m", 1.0, 3.0)
    assert (change.change, change.low, change.high, change.beyond_noise) == (2, None, None, None)
    assert change_without_interval("m", None, 3.0).change is None


def test_names_of_one_list_only_keep_their_order() -> None:
    assert one_sided(["c", "a", "b"], ["b", "d"]) == ("c", "a", "d")
