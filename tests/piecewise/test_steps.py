"""Steps of a program: values, states between boundaries, and ties."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.piecewise.steps import (
    Affine,
    Elementwise,
    Maximum,
    Program,
    largest_of,
    states_between,
    value_of,
)

DOUBLED = Affine(("x",), "d", lambda x: 2 * x)
CLIPPED = Elementwise(("d",), "c", lambda z: np.clip(z, -1, 1), (-1.0, 1.0))
LARGEST = Maximum(
    ("c", "x"), "m", lambda c, x: np.stack([c, x], axis=-1), lambda largest: largest[:, np.newaxis]
)


def test_values_of_each_kind_of_step() -> None:
    x = np.array([[-3.0, 0.25], [0.5, 2.0]])
    d = value_of(DOUBLED, [x])
    c = value_of(CLIPPED, [d])
    np.testing.assert_array_equal(c, [[-1, 0.5], [1, 1]])
    np.testing.assert_array_equal(value_of(LARGEST, [c, x]), [[[-1, 0.5]], [[1, 2]]])


def test_a_program_knows_its_units_and_when_a_tensor_is_last_read() -> None:
    program = Program("x", (1, 2), (DOUBLED, CLIPPED, LARGEST))
    assert program.sites == ("c", "m")
    assert program.last_use() == {"x": 2, "d": 1, "c": 2}


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8), st.floats(0, 0.5))
def test_states_count_the_thresholds_below_the_interval(starts: list[float], length: float) -> None:
    left = np.array(starts)
    right = left + length
    uncrossed = [not any(a <= t <= b for t in (-1.0, 1.0)) for a, b in zip(left, right, strict=True)]
    found = states_between(CLIPPED, left, right)
    expected = [int(a > -1) + int(a > 1) for a in starts]
    np.testing.assert_array_equal(found[uncrossed], np.array(expected)[uncrossed])


def test_of_values_that_are_equal_up_to_rounding_the_first_is_the_largest() -> None:
    third = 0.1 + 0.2
    assert third > 0.3
    candidates = np.array([[0.3, third, 0.0], [0.0, 0.3, 0.4], [-np.inf, -third, -0.3], [-1e9, 5.0, -np.inf]])
    np.testing.assert_array_equal(largest_of(candidates), [0, 2, 1, 1])
