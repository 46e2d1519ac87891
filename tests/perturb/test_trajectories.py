"""Trajectories against closed forms."""

from __future__ import annotations

from itertools import pairwise
from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ellipe

from onnx_ood.exceptions import UsageError
from onnx_ood.perturb import (
    Ellipse,
    Path,
    Trajectory,
    closed_path,
    ellipse_through,
    random_ellipse,
    segment,
    translations,
)
from onnx_ood.perturb.trajectories import perimeter


def walked(trajectory: Trajectory, steps: int = 20_000) -> float:
    """Length of the chords between many points."""
    points = trajectory.at(np.linspace(0, 1, steps + 1)).reshape(steps + 1, -1)
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_circle_has_its_circumference() -> None:
    circle = Ellipse(np.zeros(5), 3 * np.eye(5)[0], 3 * np.eye(5)[3])
    assert circle.length == pytest.approx(6 * pi, rel=1e-15)
    np.testing.assert_allclose(np.linalg.norm(circle.at(np.linspace(0, 1, 33)), axis=1), 3, rtol=1e-15)


@given(st.floats(1e-3, 1e3), st.floats(0, 1))
def test_perimeters_are_elliptic_integrals(large: float, ratio: float) -> None:
    small = large * ratio
    assert perimeter(large, small) == pytest.approx(4 * large * ellipe(1 - ratio * ratio), rel=1e-12)


@pytest.mark.parametrize("small", [0.0, 1e-200, 1e-100, 1e-9])
def test_a_flat_ellipse_is_walked_there_and_back(small: float) -> None:
    assert perimeter(2.0, small) == pytest.approx(8, rel=1e-12)


def test_directions_of_an_ellipse_need_not_be_its_axes() -> None:
    ellipse = random_ellipse(np.zeros((2, 3)), (2.0, 0.7), seed=1)
    assert abs(float((ellipse.a * ellipse.b).sum())) > 0.01
    # Chords are shorter than arcs by the third power of the step.
    assert ellipse.length == pytest.approx(walked(ellipse), rel=1e-7)


def test_an_ellipse_hits_its_three_points() -> None:
    points = normal(3, 2, 4, 4)
    ellipse = ellipse_through(*points)
    assert ellipse.shape == (2, 4, 4)
    assert ellipse.closed
    np.testing.assert_allclose(ellipse.at([1 / 6, 1 / 2, 5 / 6]), points, atol=1e-14)
    np.testing.assert_allclose(ellipse.at(ellipse.knots)[1:-1], points, atol=1e-14)
    np.testing.assert_allclose(ellipse.at([0.0]), ellipse.at([1.0]), atol=1e-14)
    np.testing.assert_allclose(ellipse.centre, points.mean(axis=0))


def test_three_points_of_an_equilateral_triangle_lie_on_its_circle() -> None:
    corners = [[np.cos(angle), np.sin(angle), 5.0] for angle in (0.3, 0.3 + 2 * pi / 3, 0.3 + 4 * pi / 3)]
    ellipse = ellipse_through(*corners)
    assert ellipse.length == pytest.approx(2 * pi, rel=1e-14)


def test_random_ellipses() -> None:
    centre = normal(3, 5)
    ellipse = random_ellipse(centre, (2.0, 3.0), seed=4)
    assert np.linalg.norm(ellipse.a) == pytest.approx(2)
    assert np.linalg.norm(ellipse.b) == pytest.approx(3)
    np.testing.assert_array_equal(ellipse.centre, centre)
    np.testing.assert_array_equal(ellipse.a, random_ellipse(centre, (2.0, 1.0), seed=4).a)
    assert np.abs(ellipse.a - random_ellipse(centre, (2.0, 3.0), seed=5).a).max() > 0.1


def test_a_segment() -> None:
    start, end = normal(2, 3, 4)
    path = segment(start, end)
    assert not path.closed
    assert path.length == pytest.approx(float(np.linalg.norm(end - start)), rel=1e-15)
    np.testing.assert_array_equal(path.at([0.0, 1.0]), [start, end])
    np.testing.assert_allclose(path.at([0.25])[0], start + 0.25 * (end - start), rtol=1e-14)


@given(st.integers(2, 9), st.booleans(), st.integers(0, 9))
def test_paths_hit_their_corners_at_the_knots(count: int, closed: bool, seed: int) -> None:
    corners = normal(count, 2, 3, seed=seed)
    path = Path(corners, closed=closed)
    around = [*corners, corners[0]] if closed else list(corners)
    np.testing.assert_allclose(path.at(path.knots), around, atol=1e-13)
    expected = sum(np.linalg.norm(b - a) for a, b in pairwise(around))
    assert path.length == pytest.approx(float(expected), rel=1e-12)
    # The chord over a corner is shorter than the path.
    assert path.length >= walked(path, 997) * (1 - 1e-12)


@pytest.mark.parametrize("axis", [-1, -2, 0])
def test_translations_are_rolls(axis: int) -> None:
    image = normal(3, 4, 6)
    ring = translations(image, axis=axis)
    size = image.shape[axis]
    assert ring.closed
    assert len(ring.knots) == size + 1
    for i in range(size):
        np.testing.assert_array_equal(ring.corners[i], np.roll(image, i, axis))
        np.testing.assert_allclose(ring.at([i / size])[0], np.roll(image, i, axis), atol=1e-13)
    between = ring.at([0.5 / size])[0]
    np.testing.assert_allclose(between, (image + np.roll(image, 1, axis)) / 2, atol=1e-13)
    np.testing.assert_allclose(ring.at([1.0])[0], image)


def test_fewer_translations_are_spread_evenly() -> None:
    ring = translations(np.arange(10.0), 4)
    assert [int(corner.argmin()) for corner in ring.corners] == [0, 2, 5, 7]


def test_a_closed_path_of_a_square() -> None:
    square = closed_path([[0, 0], [1, 0], [1, 1], [0, 1]])
    assert square.length == pytest.approx(4)
    np.testing.assert_allclose(square.at([0.125, 0.875]), [[0.5, 0], [0, 0.5]])


def test_what_cannot_be_a_trajectory() -> None:
    with pytest.raises(UsageError, match="one shape"):
        segment(np.zeros(3), np.zeros(4))
    with pytest.raises(UsageError, match="at least two points"):
        closed_path(np.zeros((1, 3)))
    with pytest.raises(UsageError, match="axis 3"):
        translations(np.zeros((2, 2)), axis=3)
    for count in (1, 7):
        with pytest.raises(UsageError, match="2 to 6 translations"):
            translations(np.zeros(6), count)
    with pytest.raises(UsageError, match="positive lengths"):
        random_ellipse(np.zeros(3), (1.0, 0.0), 0)


@pytest.mark.parametrize(
    "trajectory",
    [
        translations(np.arange(24.0).reshape(2, 12) ** 2, 5),
        random_ellipse(np.zeros(6), (1.0, 20.0), 0),
        random_ellipse(np.ones((2, 3)), (3.0, 3.0), 1),
    ],
)
def test_lengths_of_pieces_are_those_of_chords_where_points_are_dense(trajectory: Trajectory) -> None:
    bounds = np.array([0, 0.01, 0.2, 0.21, 0.5, 0.9, 1])
    chords = [
        np.linalg.norm(
            np.diff(trajectory.at(np.linspace(a, b, 20_001)), axis=0).reshape(20_000, -1), axis=1
        ).sum()
        for a, b in pairwise(bounds)
    ]
    assert trajectory.lengths(bounds) == pytest.approx(chords, rel=1e-4)
    assert trajectory.lengths(np.linspace(0, 1, 41)).sum() == pytest.approx(trajectory.length, rel=1e-6)
