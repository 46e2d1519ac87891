"""Zero sets as lines: against closed forms, and against the pieces that they are joined from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnx_ood.metrics.contours import zero_lines
from onnx_ood.metrics.polylines import polylines, simplified


def test_circles_are_closed_and_straight_lines_are_not() -> None:
    rows, columns = np.mgrid[:81, :61].astype(float)
    ring = np.abs(np.hypot(rows - 40, columns - 30) - 15) - 5  # Two circles.
    line = rows - columns - 5.3
    found = polylines(zero_lines(np.stack([ring, line], axis=-1)))
    assert [one.unit for one in found] == [0, 0, 1]
    radii = []
    for circle in found[:2]:
        np.testing.assert_array_equal(circle.points[0], circle.points[-1])
        distances = np.hypot(*(circle.points - [40, 30]).T)
        assert np.ptp(distances) < 0.05
        radii.append(round(float(distances.mean())))
    assert sorted(radii) == [10, 20]
    straight = simplified(found[2].points, 1e-6)
    # Ends at two rims: 5.3 below the first column, and where rows end.
    assert sorted(map(tuple, straight.round(9).tolist())) == [(5.3, 0.0), (65.3, 60.0)]


@given(hnp.arrays(np.float64, (6, 5, 3), elements=st.floats(-1, 1)))
def test_no_piece_is_lost_and_none_is_added(values: np.ndarray) -> None:
    lines = zero_lines(values)
    found = polylines(lines)
    for unit in range(3):
        mine = [one.points for one in found if one.unit == unit]
        steps = [np.linalg.norm(np.diff(points, axis=0), axis=1) for points in mine]
        pieces = np.linalg.norm(np.diff(lines.ends[lines.unit == unit], axis=1)[:, 0], axis=1)
        together = np.concatenate([*steps, []])
        np.testing.assert_allclose(np.sort(together), np.sort(pieces), atol=1e-12)
        for points in mine:
            rim = (points[[0, -1]] == 0) | (points[[0, -1]] == [5, 4])
            assert (points[0] == points[-1]).all() or rim.any(axis=1).all()


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-5, 5)),
    st.floats(0.01, 2),
)
def test_what_is_left_out_is_near_the_line(points: np.ndarray, tolerance: float) -> None:
    kept = simplified(points, tolerance)
    assert kept[0].tolist() == points[0].tolist()
    assert kept[-1].tolist() == points[-1].tolist()
    # Densely sampled, so that the nearest sample is about as near as the line.
    samples = np.concatenate(
        [
            a + np.linspace(0, 1, 400)[:, np.newaxis] * (b - a)
            for a, b in zip(kept, [*kept[1:], kept[-1]], strict=True)
        ]
    )
    nearest = np.linalg.norm(points[:, np.newaxis] - samples, axis=-1).min(axis=1)
    assert nearest.max() <= tolerance + 0.04


@pytest.mark.parametrize("count", [1, 2])
def test_short_lines_stay(count: int) -> None:
    points = np.arange(2.0 * count).reshape(count, 2)
    assert simplified(points, 10).tolist() == points.tolist()
