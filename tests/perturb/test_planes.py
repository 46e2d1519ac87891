"""Planes through three points: distances, the points themselves, and grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnx_ood.exceptions import UsageError
from onnx_ood.perturb import plane_through

TRIANGLES = hnp.arrays(np.float64, (3, 2, 5), elements=st.floats(-100, 100, allow_subnormal=False))


def flatness(corners: np.ndarray) -> float:
    """Twice the area over the square of the longest side, by Gram's determinant."""
    a, b = (corners[1] - corners[0]).ravel(), (corners[2] - corners[0]).ravel()
    area = np.sqrt(max(np.linalg.det([[a @ a, a @ b], [b @ a, b @ b]]), 0))
    return float(area / max(a @ a, b @ b, (b - a) @ (b - a), 1e-300))


@given(TRIANGLES, hnp.arrays(np.float64, (4, 2), elements=st.floats(-10, 10)))
def test_distances_in_the_plane_are_distances_of_inputs(corners: np.ndarray, places: np.ndarray) -> None:
    assume(np.ptp(corners) > 1e-3)
    assume(flatness(corners) > 1e-3)
    plane = plane_through(*corners)
    points = plane.at(places).reshape(len(places), -1)
    for i in range(4):
        for j in range(i):
            flat = np.linalg.norm(places[i] - places[j])
            np.testing.assert_allclose(np.linalg.norm(points[i] - points[j]), flat, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(plane.at(plane.corners), corners, atol=1e-10)
    assert plane.corners[1][0] > 0 == plane.corners[1][1] < plane.corners[2][1]


@given(st.integers(2, 60), st.floats(0, 3), st.floats(-2, 2), st.floats(0.01, 4))
def test_a_grid_holds_the_triangle_and_its_margin(resolution: int, extent: float, x: float, y: float) -> None:
    plane = plane_through([0.0, 0, 0], [2.0, 0, 0], [x, 0, y])
    grid = plane.grid(resolution, extent)
    box = np.array([[min(0, x), 0], [max(2, x), y]])
    margin = extent * (box[1] - box[0]).max()
    low, high = np.array([grid.x[0], grid.y[0]]), np.array([grid.x[-1], grid.y[-1]])
    assert (low <= box[0] - margin + 1e-6).all()
    assert (high >= box[1] + margin - 1e-6).all()
    assert (high - low < box[1] - box[0] + 2 * margin + grid.step * (1 + 1e-6)).all()
    assert max(len(grid.x), len(grid.y)) == resolution
    np.testing.assert_allclose(np.concatenate([np.diff(grid.x), np.diff(grid.y)]), grid.step, rtol=1e-9)
    # Row by row.
    assert grid.coordinates()[1].tolist() == [grid.x[1], grid.y[0]]


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([[0, 0], [1, 1], [0, 0]], "a and c are equal"),
        ([[1, 2], [1, 2], [0, 0]], "a and b are equal"),
        ([[0, 0], [1, 1], [3, 3]], "a, b, c are on one line"),
        ([[0, 0], [1, 1], [1, 0, 0]], "one shape"),
        ([[0, 0], [1, np.nan], [1, 0]], "on one line"),
    ],
)
def test_points_without_a_plane_are_refused(corners: list[list[float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plane_through(*corners, names=("a", "b", "c"))


def test_settings_out_of_range_are_refused() -> None:
    plane = plane_through([0.0, 0], [1.0, 0], [0.0, 1])
    with pytest.raises(UsageError, match="resolution"):
        plane.grid(1, 0.5)
    with pytest.raises(UsageError, match="extent"):
        plane.grid(9, -0.1)
