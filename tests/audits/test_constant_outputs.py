"""Outputs that are initializers, inputs or constants: every audit passes them over for the output that is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models

import onnx_ood

TEXT = """
g (float[N, 4] x) => ({outputs}) {{
    m = MatMul (x, w)
    r = Relu (m)
    y = MatMul (r, w)
    k = Constant <value = float[3] {{1.0, 2.0, 3.0}}> ()
}}
"""
OUTPUTS = {
    "an initializer": "float[4, 4] w, float[N, 4] y",
    "an input": "float[N, 4] x, float[N, 4] y",
    "a constant": "float[3] k, float[N, 4] y",
    "the last": "float[N, 4] y, float[4, 4] w",
}
X = small_models.normal(6, 4)


@pytest.fixture(params=OUTPUTS)
def path(request: pytest.FixtureRequest, save) -> Path:
    return save(
        small_models.build(TEXT.format(outputs=OUTPUTS[request.param]), {"w": small_models.normal(4, 4)})
    )


def test_the_jacobian_is_that_of_the_first_output_that_has_one(path: Path) -> None:
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=4, provider="cpu")
    (model,) = onnx_ood.sensitivity([path], X, settings).models
    assert model.jacobian.probe == "softmax of 'y'"
    weight = small_models.normal(4, 4).astype(np.float64)
    for values, found in zip(X.astype(np.float64), model.inputs, strict=True):
        hidden = values @ weight
        logits = np.maximum(hidden, 0) @ weight
        p = np.exp(logits - logits.max())
        p /= p.sum()
        jacobian = (np.diag(p) - np.outer(p, p)) @ weight.T @ np.diag(hidden > 0) @ weight.T
        assert found.jacobian == pytest.approx(np.linalg.norm(jacobian), rel=1e-3)


def test_the_other_audits_run(path: Path, tmp_path: Path) -> None:
    assert len(onnx_ood.score(path, X, provider="cpu").inputs) == 6
    assert {one.name for one in onnx_ood.inspect(path).outputs} >= {"y"}
    np.save(tmp_path / "three.npy", X[:3])
    plane = onnx_ood.plane(path, tmp_path / "three.npy", resolution=8, provider="cpu")
    assert len(plane.points) == 3
