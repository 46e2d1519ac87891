"""Exact boundaries against plain runs of the same model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from garment_arrays import garments, saved

import onnx_ood
from onnx_ood import models


def test_exact_regions_are_given_on_request(tmp_path: Path) -> None:
    inputs, _ = garments(2)
    # Near each other, so that there are few.
    inputs[1] = 0.99 * inputs[0] + 0.01 * inputs[1]
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=2, exact_regions=True)
    file = saved(tmp_path, "x.npy", inputs)
    (model,) = onnx_ood.sensitivity([models.path("fashion_cnn")], [file], settings).models
    (way,) = model.regions
    assert way.length == pytest.approx(np.linalg.norm(inputs[1].astype(float) - inputs[0]))
    proto = onnx.load(models.path("fashion_cnn"))
    relus = [node.output[0] for node in proto.graph.node if node.op_type == "Relu"]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in relus)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    t = np.linspace(0, 1, 1001).reshape(-1, 1, 1, 1)
    points = (inputs[0].astype(float) + t * (inputs[1].astype(float) - inputs[0])).astype(np.float32)
    seen = sum(
        int(((value[1:] > 0) != (value[:-1] > 0)).sum()) for value in session.run(relus, {"image": points})
    )
    assert way.boundaries == pytest.approx(seen, rel=0.02)
    assert all(one.nearest_boundary > 0 for one in model.inputs)
