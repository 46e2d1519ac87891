"""Grid of a plane: parts, rounding, and points without finite values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models
from plane_models import CORNERS, HEAD, B, W, at, flat, grid_points, points_of, saved

import onnx_ood
from onnx_ood.audits.plane import window as plane_window


def test_a_sample_shows_the_lines_that_all_units_show(save, tmp_path: Path, monkeypatch) -> None:
    """Also where rows of the grid are run a few at a time."""
    file = saved(tmp_path, CORNERS)
    every = onnx_ood.plane(flat(save), [file], onnx_ood.PlaneSettings(resolution=50, directions=0))
    monkeypatch.setattr(plane_window, "_VALUES_BYTES", 9_000)
    monkeypatch.setattr(plane_window, "_POINTS_BYTES", 1_000)
    some = onnx_ood.plane(flat(save), [file], onnx_ood.PlaneSettings(resolution=50, directions=0, units=5))
    chosen = {line.index for line in some.probe.lines}
    assert (some.probe.looked_at, some.probe.units, some.probe.switching) == (5, 12, len(chosen))
    assert "5 of 12 units" in " ".join(some.notes)
    assert "drawn at random" not in " ".join(every.notes)
    lines = [line for line in every.probe.lines if line.index in chosen]
    assert [line.index for line in some.probe.lines] == [line.index for line in lines]
    for one, other in zip(some.probe.lines, lines, strict=True):
        np.testing.assert_allclose(points_of(one), points_of(other), atol=1e-2 * every.grid.step)
    assert some.classes == every.classes


def test_inputs_too_near_to_each_other_are_told(save, tmp_path: Path) -> None:
    near = (1000 + np.array([[0, 0], [1e-2, 0], [0, 1e-2]])).astype(np.float32)
    result = onnx_ood.plane(
        flat(save), [saved(tmp_path, near)], onnx_ood.PlaneSettings(resolution=80, directions=0)
    )
    points = grid_points(result, near)
    off = np.linalg.norm(points.astype(np.float32) - points, axis=-1).max() / result.grid.step
    assert result.rounding == pytest.approx(off, rel=1e-3)
    assert "are rounded" in " ".join(result.notes)


def test_points_without_finite_values_are_named_and_counted(save, tmp_path: Path) -> None:
    """Log is NaN on the half-plane x0 < -1, which lies in the window but holds none of the inputs."""
    text = """
        half (float[N, 2] x) => (float[N, 3] y) {
            g = Gemm (x, w, b)
            s = Gemm (x, u, one)
            l = Log (s)
            p = Add (g, l)
            h = Relu (p)
            y = Gemm (h, v)
        }
    """
    side = np.array([[1], [0]], np.float32)
    path = save(
        small_models.build(text, {"w": W, "b": B, "v": HEAD, "u": side, "one": np.ones(1, np.float32)})
    )
    settings = onnx_ood.PlaneSettings(resolution=40, directions=2)
    result = onnx_ood.plane(path, [saved(tmp_path, CORNERS)], settings)
    outside = grid_points(result, CORNERS)[..., 0] < -1
    assert 0 < outside.sum() < outside.size / 2
    assert (np.array(result.classes.answers) < 0).tolist() == outside.tolist()
    assert result.classes.unknown == result.probe.unknown == outside.sum()
    assert sum(one.share for one in result.classes.found) == pytest.approx(1 - outside.mean())
    norms = np.array(result.jacobian.norms, np.float64)
    coarse = grid_points(result, CORNERS, result.jacobian.grid)[..., 0]
    # A nudge may cross the border from a point within its length.
    assert np.isnan(norms[coarse < -1 - result.jacobian.step]).all()
    assert np.isfinite(norms[coarse > -1 + result.jacobian.step]).all()
    assert result.jacobian.unknown == np.isnan(norms).sum() > 0
    for line in result.probe.lines:
        assert (at(result, CORNERS, points_of(line))[:, 0] > -1).all()
    notes = " ".join(result.notes)
    assert f"{outside.sum():,} of {outside.size:,} points have NaN or infinity in the output" in notes
    assert "points have NaN or infinity in 'p'" in notes
    assert f"{np.isnan(norms).sum():,} of {norms.size:,} Jacobian norms are NaN or infinite" in notes


def test_points_where_one_of_several_values_is_not_finite_are_unknown(save, tmp_path: Path) -> None:
    """One of 13 units and one of 4 outputs are NaN on the half-plane x0 < -1, by the definition of the logarithm."""
    text = """
        partly (float[N, 2] x) => (float[N, 4] y) {
            g = Gemm (x, w, b)
            s = Gemm (x, u, one)
            l = Log (s)
            p = Concat <axis = 1> (g, l)
            h = Relu (p)
            first, last = Split <axis = 1> (h, sizes)
            scores = Gemm (first, v)
            y = Concat <axis = 1> (scores, last)
        }
    """
    weights = {
        "w": W,
        "b": B,
        "v": HEAD,
        "u": np.array([[1], [0]], np.float32),
        "one": np.ones(1, np.float32),
    }
    path = save(small_models.build(text, weights | {"sizes": np.array([12, 1])}))
    settings = onnx_ood.PlaneSettings(resolution=40, directions=0)
    result = onnx_ood.plane(path, [saved(tmp_path, CORNERS)], settings)
    outside = grid_points(result, CORNERS)[..., 0] < -1
    assert 0 < outside.sum() < outside.size / 2
    assert (np.array(result.classes.answers) < 0).tolist() == outside.tolist()
    assert result.classes.unknown == result.probe.unknown == outside.sum()
