"""The nearest boundary against closed forms and against what is met on straight ways."""

from __future__ import annotations

import tempfile
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from onnx_ood import models
from onnx_ood.graph import load
from onnx_ood.piecewise import boundaries, nearest_boundary, read_program


def test_the_distance_to_planes_is_that_of_geometry(tmp_path: Path) -> None:
    """ReLU(Wx + b): planes w·x + b = 0, at |w·x + b| / ‖w‖."""
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((5, 3)), rng.standard_normal(5)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["z"], transB=1), helper.make_node("Relu", ["z"], ["y"])],
        "planes",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["N", 5])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    program = read_program(load(tmp_path / "m.onnx"), "x", (1, 3))
    for x in rng.standard_normal((20, 3)):
        distances = np.abs(weight @ x + bias) / np.linalg.norm(weight, axis=1)
        found = nearest_boundary(program, x)
        assert (found.site, found.unit) == (0, np.argmin(distances))
        assert found.distance == pytest.approx(distances.min(), rel=1e-12)


@given(layers=st.lists(st.sampled_from(networks.LAYERS), min_size=1, max_size=5), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_no_way_meets_a_boundary_sooner_and_the_way_there_meets_it(layers: list[str], seed: int) -> None:
    writer = networks.Writer(seed)
    last = writer.conv("x")
    for layer in layers:
        last = getattr(writer, layer)(last)
    with tempfile.TemporaryDirectory() as folder:
        model = networks.save(writer, last, Path(folder))
        program = read_program(model, "x", (1, networks.CHANNELS, networks.SIDE, networks.SIDE))
    point = writer.rng.standard_normal(program.sample)
    found = nearest_boundary(program, point)
    assert np.linalg.norm(found.direction) == pytest.approx(1)
    way = 1.5 * found.distance
    there = boundaries(program, point, point + way * found.direction)
    assert way * there.at[0] == pytest.approx(found.distance, rel=1e-6)
    first = there.at == there.at[0]
    assert (found.site, found.unit) in zip(there.site[first], there.unit[first], strict=True)
    for drawn in writer.rng.standard_normal((5, *program.sample)):
        met = boundaries(program, point, point + 4 * way * drawn / np.linalg.norm(drawn))
        assert not len(met.at) or 4 * way * met.at[0] >= found.distance * (1 - 1e-9)


def test_a_bundled_network_keeps_its_codes_up_to_there() -> None:
    model = load(models.path("fashion_cnn"))
    images, _ = models.fashion_samples()
    program = read_program(model, "image", (1, 1, 28, 28))
    point = images[7].reshape(program.sample) / 255.0
    found = nearest_boundary(program, point)
    there = boundaries(program, point, point + 1.5 * found.distance * found.direction)
    assert 1.5 * there.at[0] == pytest.approx(1, rel=1e-6)
