"""Turns of vectors against exact arithmetic, closed forms and scipy."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import cos, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine as scipy_cosine

from onnx_ood.metrics import angle, cosine_drop, distortion, squared_norm_of_nudged

Statistics = tuple[float, float, float]

numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
vectors = st.integers(1, 8).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)


def dot(x: list[Fraction], y: list[Fraction]) -> Fraction:
    return sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0))


def statistics(a: list[float], b: list[float]) -> Statistics:
    """Pair statistics, exact and then rounded once."""
    exact_a = [Fraction(x) for x in a]
    exact_d = [Fraction(y) - Fraction(x) for x, y in zip(a, b, strict=True)]
    return float(dot(exact_a, exact_a)), float(dot(exact_a, exact_d)), float(dot(exact_d, exact_d))


def exact_drop(a: list[float], b: list[float]) -> float:
    """1 − cos(a, b) with 80 digits."""
    x, y = [Fraction(v) for v in a], [Fraction(v) for v in b]
    with localcontext() as context:
        context.prec = 80

        def decimal(value: Fraction) -> Decimal:
            return Decimal(value.numerator) / Decimal(value.denominator)

        return float(1 - decimal(dot(x, y)) / (decimal(dot(x, x)).sqrt() * decimal(dot(y, y)).sqrt()))


def turned(turn: float, stretch: float = 1.0) -> Statistics:
    """Statistics of a = (1, 0) and b = stretch · (cos turn, sin turn), without cancellation."""
    # cos t − 1 = −2 sin²(t/2)
    along = stretch * (1 - 2 * sin(turn / 2) ** 2) - 1 if stretch != 1 else -2 * sin(turn / 2) ** 2
    across = stretch * sin(turn)
    return 1.0, along, along**2 + across**2


@given(pair=vectors)
def test_any_pair_against_exact_arithmetic(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair
    aa, ad, dd = statistics(a, b)
    bb = sum(y * y for y in b)
    assume(aa > 1e-6 and bb > 1e-6)
    # Rounding of the statistics costs this much: nothing at small nudges, something where b is much shorter than a,
    # since ‖b‖² is what is left of aa + 2·ad + dd then.
    lost = 1e-14 * dd / sqrt(aa * bb) * (aa + dd) / bb
    assert cosine_drop(aa, ad, dd) == pytest.approx(exact_drop(a, b), abs=lost + 1e-75)


@pytest.mark.parametrize("exponent", range(-15, 1))
def test_drops_of_every_size(exponent: int) -> None:
    """A nudge of 10^exponent/2 leaves a drop of about 10^exponent: none is lost to rounding."""
    rng = np.random.default_rng(exponent + 100)
    a = rng.standard_normal(50)
    b = a + rng.standard_normal(50) * sqrt(2 * 10.0**exponent)
    drop = float(cosine_drop(*statistics(list(a), list(b))))
    assert drop == pytest.approx(exact_drop(list(a), list(b)), rel=1e-12)
    assert 0.2 * 10.0**exponent < drop < 5 * 10.0**exponent


@given(turn=st.floats(1e-8, pi - 1e-3), stretch=st.floats(0.05, 20))
def test_a_rotation_by_a_known_angle(turn: float, stretch: float) -> None:
    # Where lengths differ, ‖d‖² holds both turn and stretch; what is left of the turn has this absolute error.
    lost = 1e-15 * (stretch - 1) ** 2 / stretch * 100
    drop = cosine_drop(*turned(turn, stretch))
    assert drop == pytest.approx(2 * sin(turn / 2) ** 2, rel=1e-10, abs=lost)
    if stretch == 1:
        assert angle(*turned(turn)) == pytest.approx(turn, rel=1e-10)


@pytest.mark.parametrize("turn", [1e-8, 1e-6, 1e-4, 0.01, 0.5, pi / 3, pi / 2, 2.0, 3.0, pi])
def test_angles(turn: float) -> None:
    assert angle(*turned(turn)) == pytest.approx(turn, rel=1e-7 if turn > 3 else 1e-12)
    assert cosine_drop(*turned(turn)) == pytest.approx(1 - cos(turn), rel=1e-12, abs=1e-15)


@given(pair=vectors)
def test_scipy_agrees_where_its_formula_is_well_conditioned(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair
    assume(np.linalg.norm(a) > 0.01 and np.linalg.norm(b) > 0.01)
    assume(0.01 < np.linalg.norm(a) / np.linalg.norm(b) < 100)
    assert cosine_drop(*statistics(a, b)) == pytest.approx(scipy_cosine(a, b), abs=1e-9)


@given(pair=vectors)
def test_it_is_symmetric(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair
    assume(np.linalg.norm(a) > 0.01 and np.linalg.norm(b) > 0.01)
    assume(0.01 < np.linalg.norm(a) / np.linalg.norm(b) < 100)
    assert cosine_drop(*statistics(a, b)) == pytest.approx(
        cosine_drop(*statistics(b, a)), rel=1e-9, abs=1e-11
    )


@given(pair=vectors, power=st.integers(-60, 60))
def test_a_common_scale_does_not_matter(pair: tuple[list[float], list[float]], power: int) -> None:
    aa, ad, dd = statistics(*pair)
    assume(aa > 1e-3 and (dd == 0 or dd > 1e-3))
    scale = 4.0**power  # Exact in binary, so the numbers have to be equal.
    assert cosine_drop(aa * scale, ad * scale, dd * scale) == cosine_drop(aa, ad, dd)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2], [1, 2], 0.0),
        ([0, 0], [0, 0], 0.0),
        ([0, 0], [1, 2], 1.0),
        ([1, 2], [0, 0], 1.0),
        ([1, 2], [-1, -2], 2.0),
        ([1, 0], [0, 1], 1.0),
        ([1, 2], [2, 4], 0.0),
        ([1, 2], [0.25, 0.5], 0.0),
    ],
)
def test_special_pairs(a: list[float], b: list[float], expected: float) -> None:
    aa, ad, dd = statistics(a, b)
    assert cosine_drop(aa, ad, dd) == pytest.approx(expected, abs=1e-15)
    assert angle(aa, ad, dd) == pytest.approx(np.arccos(1 - expected), abs=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_what_is_not_finite_gives_nan(bad: float, position: int) -> None:
    values = [1.0, 0.1, 0.2]
    values[position] = bad
    if position != 1 and bad < 0:
        values[position] = -bad  # Squared norms are not negative.
    assert np.isnan(cosine_drop(*values))
    assert np.isnan(angle(*values))


def test_opposite_infinities_give_nan_without_a_warning() -> None:
    assert np.isnan(cosine_drop(np.inf, -np.inf, np.inf))


@given(aa=st.floats(0, 1e300), ad=st.floats(-1e300, 1e300), dd=st.floats(0, 1e300))
def test_any_finite_statistics_give_a_drop_in_range(aa: float, ad: float, dd: float) -> None:
    """Statistics that no pair has (rounding makes such) still give a number from 0 to 2."""
    assert 0 <= cosine_drop(aa, ad, dd) <= 2 or np.isnan(cosine_drop(aa, ad, dd))
    assert squared_norm_of_nudged(aa, ad, dd) >= 0


def test_arrays_are_broadcast() -> None:
    drops = cosine_drop(np.ones((3, 1, 1)), np.zeros((1, 2, 1)), np.full(4, 0.01))
    assert drops.shape == (3, 2, 4)
    assert drops.dtype == np.float64
    assert angle(np.ones((3, 1), np.float32), 0, 0.01).dtype == np.float64


def test_the_squared_norm_of_the_nudged() -> None:
    assert squared_norm_of_nudged(25.0, -7.0, 2.0) == 13.0  # (3, 4) − (1, 1) = (2, 3)
    assert squared_norm_of_nudged(1.0, -1.0, 1 - 1e-16) == 0.0


def test_distortion_is_the_ratio_of_angles() -> None:
    assert distortion(0.2, 0.1) == 2.0
    np.testing.assert_array_equal(distortion([[0.2, 0.4]], [[0.1], [0.2]]), [[2.0, 4.0], [1.0, 2.0]])


def test_distortion_of_a_site_that_did_not_turn_is_unknown() -> None:
    np.testing.assert_array_equal(distortion([0.0, 0.3, np.nan, 0.3], [0.0, 0.0, 0.1, np.nan]), [np.nan] * 4)
