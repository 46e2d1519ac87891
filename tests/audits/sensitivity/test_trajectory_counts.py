"""Transitions along a trajectory against a plain sweep of the same model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from garment_arrays import garments, saved

import onnx_ood
from onnx_ood import models


def test_transitions_are_those_of_a_plain_sweep(tmp_path: Path) -> None:
    """The first ellipse through three of one class, at 4,096 points, with every ReLU marked."""
    path = models.path("fashion_cnn")
    inputs, _ = garments(12)
    settings = onnx_ood.SensitivitySettings(trajectories=1, directions=2, tolerance=5e-4)
    result = onnx_ood.sensitivity([path], [saved(tmp_path, "x.npy", inputs)], settings)
    (model,) = result.models
    found = {way.type: way for way in model.trajectories}
    assert set(found) == {"translations", "same_class", "different_classes", "random"}
    way = found["different_classes"]
    first, second, third = (inputs[int(name.split("[")[1][:-1])].astype(np.float64) for name in way.inputs)
    # Through three points at equal angles, the affine image of a circle; the first is at π/3.
    theta = (np.linspace(0, 2 * np.pi, 4097) - np.pi / 3).reshape(-1, 1, 1, 1)
    mean = (first + second + third) / 3
    a, b = first - mean, (second - third) / np.sqrt(3)
    points = (mean + np.cos(theta) * a + np.sin(theta) * b).astype(np.float32)
    proto = onnx.load(path)
    relus = [node.output[0] for node in proto.graph.node if node.op_type == "Relu"]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in relus)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    counts, switches = dict.fromkeys(relus, 0), np.zeros(4096)
    for start in range(0, 4096, 256):
        values = session.run(relus, {"image": points[start : start + 257]})
        for name, value in zip(relus, values, strict=True):
            changed = ((value[1:] > 0) != (value[:-1] > 0)).reshape(len(value) - 1, -1).sum(axis=1)
            counts[name] += int(changed.sum())
            switches[start : start + 256] += changed
    assert way.transitions == pytest.approx(sum(counts.values()), rel=2e-3)
    steps = np.linalg.norm(np.diff(points.astype(np.float64), axis=0).reshape(4096, -1), axis=1)
    length = steps.sum()
    assert way.length == pytest.approx(length, rel=1e-5)
    for site in model.sites:
        assert site.density["different_classes"] * length == pytest.approx(counts[site.name], rel=5e-3)
        assert site.exact == "linear"
    # The profile: what the sweep finds in each part of the angle, by the length of that part.
    bounds, places = np.linspace(0, 1, len(way.profile) + 1), np.linspace(0, 1, 4097)
    found_by, long = (
        np.diff(np.interp(bounds, places, np.concatenate([[0], np.cumsum(values)])))
        for values in (switches, steps)
    )
    assert way.profile == pytest.approx(found_by / long, rel=0.05)
