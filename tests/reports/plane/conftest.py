"""A plane of a network with fourteen classes, shared by the tests of its reports."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood.audits.plane.result import PlaneResult


@pytest.fixture(scope="session")
def result(save, tmp_path_factory) -> PlaneResult:
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    rotated = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    text = "flat (float[N, 2] x) => (float[N, 14] y) { g = Gemm (x, w, b) h = Relu (g) y = Gemm (h, v) }"
    model = small_models.build(
        text,
        {
            "w": small_models.normal(2, 12, seed=3),
            "b": small_models.normal(12, seed=4, scale=0.6),
            # Each class is the largest in one direction.
            "v": small_models.normal(2, 12, seed=6).T @ rotated,
        },
    )
    file = tmp_path_factory.mktemp("plane") / "x.npy"
    np.save(file, np.array([[0.25, -0.5], [1.5, 0.75], [-0.75, 1.0]], np.float32))
    return onnx_ood.plane(
        save(model), [str(file)], onnx_ood.PlaneSettings(resolution=60, directions=2, extent=2)
    )
