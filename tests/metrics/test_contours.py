"""Zero sets on grids against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnx_ood.metrics.contours import ZeroLines, joined, polylines, simplified, zero_lines


@given(st.floats(0, 2 * np.pi), st.floats(-2, 2))
def test_the_zero_set_of_a_plane_is_its_line(angle: float, offset: float) -> None:
    normal = np.array([np.cos(angle), np.sin(angle)])
    rows, columns = np.mgrid[:9, :7].astype(float)
    values = normal[0] * (rows - 4) + normal[1] * (columns - 3) - offset
    found = zero_lines(values[..., np.newaxis])
    distance = (found.ends - [4, 3]) @ normal - offset
    assert np.abs(distance).max(initial=0) < 1e-9
    # Every cell that the line runs through has a piece of it, and pieces join.
    assert len(found.ends) == sum(
        len({bool(v > 0) for v in values[r : r + 2, c : c + 2].ravel()}) == 2
        for r in range(8)
        for c in range(6)
    )


def test_the_zero_set_of_a_cone_is_a_circle() -> None:
    rows, columns = np.mgrid[:201, :201] / 100 - 1
    cones = np.stack([0.5 - np.hypot(rows, columns), np.hypot(rows, columns) - 0.8], axis=-1)
    found = zero_lines(cones)
    for unit, radius in enumerate((0.5, 0.8)):
        ends = found.ends[found.unit == unit] / 100 - 1
        np.testing.assert_allclose(np.hypot(ends[..., 0], ends[..., 1]), radius, atol=2e-4)
        length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).sum()
        np.testing.assert_allclose(length, 2 * np.pi * radius, rtol=1e-3)


@given(hnp.arrays(np.float64, (5, 6, 2), elements=st.floats(-1, 1).filter(lambda v: abs(v) > 1e-3)))
def test_lines_end_only_at_the_rim(values: np.ndarray) -> None:
    """A zero set has no loose ends inside: each end is met by an even number of lines."""
    found = zero_lines(values)
    for unit in range(2):
        ends = found.ends[found.unit == unit].reshape(-1, 2)
        places, counts = np.unique(ends.round(9), axis=0, return_counts=True)
        rim = (places[:, 0] == 0) | (places[:, 0] == 4) | (places[:, 1] == 0) | (places[:, 1] == 5)
        assert (counts[~rim] == 2).all()
        assert (counts[rim] == 1).all()


@given(hnp.arrays(np.float64, (4, 4, 1), elements=st.floats(-1, 1).filter(lambda v: abs(v) > 1e-3)))
def test_a_sign_changes_no_line(values: np.ndarray) -> None:
    def sorted_lines(lines: np.ndarray) -> np.ndarray:
        flat = np.sort(lines.round(9).view([("r", float), ("c", float)])[..., 0], axis=1)
        return np.sort(flat, axis=0)

    first, second = zero_lines(values), zero_lines(-values)
    assert sorted_lines(first.ends).tolist() == sorted_lines(second.ends).tolist()


def test_what_is_not_finite_has_no_line() -> None:
    values = np.array([[1.0, -1.0, 1.0], [1.0, -1.0, np.nan]])[..., np.newaxis]
    found = zero_lines(values)
    assert len(found.ends) == 1
    np.testing.assert_allclose(found.ends[0, :, 1], 0.5)


def test_parts_of_a_grid_that_share_a_row_give_the_lines_of_the_whole() -> None:
    values = np.random.default_rng(0).standard_normal((9, 6, 3)).astype(np.float32)
    whole = zero_lines(values)
    parts = joined([zero_lines(values[:5]), zero_lines(values[4:], first_row=4)])

    def key(lines: ZeroLines) -> list[object]:
        return sorted(zip(lines.unit.tolist(), lines.edges.tolist(), lines.ends.tolist(), strict=True))

    assert key(parts) == key(whole)


@given(hnp.arrays(np.float32, (5, 6, 2), elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])))
def test_an_edge_is_one_number_and_one_place(values: np.ndarray) -> None:
    """From both sides of an edge, also where values are exactly zero."""
    found = zero_lines(values)
    for unit in range(2):
        mine = found.unit == unit
        places = dict(
            zip(found.edges[mine].ravel().tolist(), found.ends[mine].reshape(-1, 2).tolist(), strict=True)
        )
        for edge, end in zip(found.edges[mine].ravel(), found.ends[mine].reshape(-1, 2), strict=True):
            assert places[int(edge)] == end.tolist()
            corner = divmod(int(edge) // 2, 6)
            other = (corner[0] + edge % 2, corner[1] + 1 - edge % 2)
            # The sign changes between both corners of the edge.
            assert (values[*corner, unit] > 0) != (values[*other, unit] > 0)
            assert (np.abs(end - np.array(corner)) <= 1).all()


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


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("corners", "connected"),
    [((3, -1, 2, -1), True), ((1, -3, 1, -2), False), ((4, -2, 1, -1), True), ((1, -4, 2, -1), False)],
)
def test_a_saddle_is_resolved_by_its_mean(corners: tuple[int, ...], connected: bool, sign: int) -> None:
    """Crossings are those of straight lines along the edges, each joined with one other."""
    a, b, c, d = (
        sign * value for value in corners
    )  # In turn: upper left, upper right, lower right, lower left.
    top, right = (0, a / (a - b)), (b / (b - c), 1)
    bottom, left = (1, d / (d - c)), (a / (a - d), 0)
    pairs = [(top, right), (bottom, left)] if connected else [(top, left), (right, bottom)]
    found = zero_lines(np.array([[a, b], [d, c]], float)[..., np.newaxis]).ends
    assert len(found) == 2
    got = {frozenset((round(row, 12), round(column, 12)) for row, column in ends) for ends in found.tolist()}
    assert got == {frozenset((round(row, 12), round(column, 12)) for row, column in pair) for pair in pairs}


@pytest.mark.parametrize("bits", [bits for bits in range(1, 15) if bits not in (5, 10)])
def test_a_cell_has_one_line_between_the_corners_above_and_below(bits: int) -> None:
    """Corner c is above zero if bit c is set; a line crosses each edge whose ends differ, in the middle."""
    above = [bool(bits >> c & 1) for c in range(4)]
    places = [(0, 0), (0, 1), (1, 1), (1, 0)]
    values = np.zeros((2, 2, 1))
    for place, up in zip(places, above, strict=True):
        values[place] = 1 if up else -1
    crossed = {
        tuple(np.add(places[i], places[(i + 1) % 4]) / 2) for i in range(4) if above[i] != above[(i + 1) % 4]
    }
    (ends,) = zero_lines(values).ends
    assert {tuple(end) for end in ends} == crossed


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (2, 2)])
@pytest.mark.parametrize("level", [0.0, 0.5, -0.5])
def test_edges_of_a_chequerboard_have_numbers_of_their_own(shape: tuple[int, int], level: float) -> None:
    """Every cell is a saddle and every edge is crossed: as many numbers as places, one for each."""
    rows, columns = shape
    values = (-1.0) ** np.add.outer(np.arange(rows), np.arange(columns)) + level
    found = zero_lines(values[..., np.newaxis])
    places = [tuple(np.round(place, 9)) for place in found.ends.reshape(-1, 2)]
    pairs = set(zip(found.edges.ravel().tolist(), places, strict=True))
    assert len(found.unit) == 2 * (rows - 1) * (columns - 1)
    assert len(pairs) == len({number for number, _ in pairs}) == len({place for _, place in pairs})
    assert len(pairs) == rows * (columns - 1) + (rows - 1) * columns
