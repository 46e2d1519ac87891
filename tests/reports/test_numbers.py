"""Numbers as text, read back as numbers."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.reports.numbers import decimal, number, percent, relative_error, size


@given(st.floats(1e-12, 1e12), st.sampled_from([-1, 1]), st.integers(1, 4))
def test_numbers_keep_their_significant_digits(value: float, sign: int, digits: int) -> None:
    # From 10 ** digits on, all digits before the point are kept.
    assert float(number(sign * value, digits)) == pytest.approx(sign * value, rel=0.501 * 10 ** (1 - digits))


@given(st.floats(-1e5, 1e5), st.integers(0, 5))
def test_decimals_are_rounded_without_a_sign_at_zero(value: float, places: int) -> None:
    shown = decimal(value, places)
    assert abs(float(shown) - value) <= 0.5001 * 10.0**-places
    assert not (shown.startswith("-") and float(shown) == 0)


@pytest.mark.parametrize("value", [None, nan, inf])
def test_what_is_unknown_is_a_dash(value: float | None) -> None:
    assert (number(value), decimal(value)) == ("-", "-")
    assert percent(None) == "-"


@given(st.floats(0, 1))
def test_percentages_are_rounded_and_small_ones_are_not_zero(share: float) -> None:
    shown = percent(share)
    if shown == "<0.1%":
        assert 0 < share < 0.001
    else:
        assert abs(float(shown[:-1]) - 100 * share) <= (0.5001 if share >= 0.1 else 0.0501)


def test_errors_are_relative_to_their_mean() -> None:
    assert relative_error(2.0, 0.24) == "12%"
    assert relative_error(2.0, 0.008) == "0.4%"
    assert [relative_error(*one) for one in ((None, 1.0), (1.0, None), (0.0, 1.0))] == ["", "", ""]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (9_542_000, "9.1 MiB"), (1 << 41, "2.0 TiB")],
)
def test_sizes_have_binary_units(count: int, shown: str) -> None:
    assert size(count) == shown
