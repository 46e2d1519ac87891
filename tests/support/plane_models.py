"""A flat network for planes, and points of a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import small_models

from onnx_ood.audits.plane.result import PlaneLine, PlaneResult

# Of units of two inputs the plane is all there is.
CORNERS = np.array([[0.25, -0.5], [1.5, 0.75], [-0.75, 1.0]], np.float32)
W = small_models.normal(2, 12, seed=3)
B = small_models.normal(12, seed=4, scale=0.6)
HEAD = small_models.normal(12, 3, seed=5)


def flat(save, function: str = "h = Relu (g)") -> Path:
    """A network of two inputs and one layer of twelve units, which have straight boundaries."""
    text = f"""
        flat (float[N, 2] x) => (float[N, 3] y) {{
            g = Gemm (x, w, b)
            {function}
            y = Gemm (h, v)
        }}
    """
    return save(small_models.build(text, {"w": W, "b": B, "v": HEAD}))


def saved(folder: Path, inputs: np.ndarray, name: str = "x.npy") -> str:
    np.save(folder / name, inputs)
    return str(folder / name)


def basis(corners: np.ndarray) -> np.ndarray:
    """An orthonormal basis that the first three inputs have, by a QR decomposition; [2, *input]."""
    sides = (corners[1:3].astype(np.float64) - corners[0]).reshape(2, -1)
    q, r = np.linalg.qr(sides.T)
    return (q * np.sign(np.diag(r))).T.reshape(2, *corners.shape[1:])


def at(result: PlaneResult, corners: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Points of input space by their coordinates, [..., 2]."""
    return corners[0].astype(np.float64) + np.tensordot(places, basis(corners), axes=1)


def grid_points(result: PlaneResult, corners: np.ndarray, grid=None) -> np.ndarray:
    grid = grid or result.grid
    x = grid.x + grid.step * np.arange(grid.columns)
    y = grid.y + grid.step * np.arange(grid.rows)
    return at(result, corners, np.stack(np.meshgrid(x, y), axis=-1))


def points_of(line: PlaneLine) -> np.ndarray:
    return np.stack([line.x, line.y], axis=-1)
