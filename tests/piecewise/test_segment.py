"""Exact boundaries against closed forms, and against dense points by onnx's reference evaluator in float64."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from onnx_ood import models
from onnx_ood.exceptions import ModelError
from onnx_ood.graph import load
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.piecewise import boundaries, read_program, segment
from onnx_ood.piecewise.segment import Boundaries


def assert_codes_change_where_they_should(found: Boundaries, at: np.ndarray, codes: list[np.ndarray]) -> int:
    """Between two neighbouring points a unit's code differs if, and only if, boundaries say so.

    For units of two codes: an odd number of changes in between. For others at least one change where codes differ.

    Returns:
        How many codes differ from one point to the next.
    """
    interval = np.searchsorted(at, found.at) - 1
    seen = 0
    for site, code in enumerate(codes):
        differs = code[1:] != code[:-1]
        changes = np.zeros(differs.shape, int)
        mine = found.site == site
        np.add.at(changes, (interval[mine], found.unit[mine]), 1)
        if code.max() <= 1:
            np.testing.assert_array_equal(changes % 2, differs)
        else:
            assert (changes[differs] > 0).all()
            # What changes once differs.
            assert differs[changes == 1].all()
        seen += int(differs.sum())
    return seen


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 2, 0, 1], "strides": [2, 1]},
        {"pads": [1, 1, 1, 1], "group": 2, "dilations": [1, 2]},
    ],
)
def test_convolutions_of_the_reference_are_those_of_onnx(attributes: dict[str, Any]) -> None:
    rng = np.random.default_rng(11)
    weight = rng.standard_normal((6, 4 // attributes.get("group", 1), 3, 2))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, None)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(rng.standard_normal(6), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    feeds = {"x": rng.standard_normal((3, 4, 7, 9))}
    (expected,) = networks.ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_allclose(networks.reference(model).run(None, feeds)[0], expected, rtol=0, atol=1e-13)


def dense(start: np.ndarray, end: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on a segment, at irregular places, so that none of them but the ends is a boundary."""
    at = np.concatenate([[0.0], np.sort(np.random.default_rng(5).random(count)), [1.0]])
    return at, start + at.reshape(-1, *[1] * start.ndim) * (end - start)


def test_a_network_of_one_dimension_has_its_kinks_where_algebra_says(tmp_path: Path) -> None:
    """|x − 1/4| through ReLU(y − 1/8): kinks at 1/4, and where |x − 1/4| = 1/8."""
    nodes = [
        helper.make_node("Sub", ["x", "quarter"], ["shifted"]),
        helper.make_node("Abs", ["shifted"], ["distance"]),
        helper.make_node("Sub", ["distance", "eighth"], ["z"]),
        helper.make_node("Relu", ["z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "kinks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [
            numpy_helper.from_array(np.array(0.25, np.float32), "quarter"),
            numpy_helper.from_array(np.array(0.125, np.float32), "eighth"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    program = read_program(load(tmp_path / "m.onnx"), "x", (1, 1))
    found = boundaries(program, np.array([0.0]), np.array([1.0]))
    np.testing.assert_allclose(found.at, [0.125, 0.25, 0.375], atol=1e-15)
    assert [program.sites[site] for site in found.site] == ["y", "distance", "y"]
    assert found.regions == 4


@given(
    layers=st.lists(st.sampled_from(networks.LAYERS), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
    small=st.booleans(),
)
@settings(max_examples=40)
def test_codes_change_where_boundaries_are(layers: list[str], seed: int, small: bool) -> None:
    writer = networks.Writer(seed)
    last = writer.conv("x")
    for layer in layers:
        last = getattr(writer, layer)(last)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        model = networks.save(writer, last, Path(folder))
        if small:
            # Cuts points in two again and again.
            patch.setattr(segment, "_MAX_BYTES", 20_000)
        program = read_program(model, "x", (1, networks.CHANNELS, networks.SIDE, networks.SIDE))
        start, end = writer.rng.standard_normal((2, networks.CHANNELS, networks.SIDE, networks.SIDE))
        found = boundaries(program, start, end)
    assert program.sites == tuple(writer.sites)
    at, points = dense(start, end, 200)
    assert_codes_change_where_they_should(found, at, networks.codes(model.proto, writer.sites, points))


def in_float64(model: Model) -> onnx.ModelProto:
    """A model with its weights widened."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model.proto)
    for tensor in copy.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
            )
    return copy


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_resnet"])
def test_bundled_networks_change_codes_where_boundaries_are(name: str) -> None:
    model = load(models.path(name))
    images, _ = models.fashion_samples()
    first, second = images[:2].reshape(2, 1, 28, 28) / 255.0
    # A short piece of the way: reference points are slow.
    start, end = first, first + 0.02 * (second - first)
    found = boundaries(read_program(model, "image", (1, 1, 28, 28)), start, end)
    sites = {
        node.output[0]: (node.input[0], "threshold", [0.0])
        for node in model.proto.graph.node
        if node.op_type == "Relu"
    }
    at, points = dense(start, end, 300)
    seen = assert_codes_change_where_they_should(found, at, networks.codes(in_float64(model), sites, points))
    assert 0.9 * len(found.at) < seen <= len(found.at)


def test_between_boundaries_the_network_is_affine() -> None:
    model = load(models.path("fashion_cnn"))
    images, _ = models.fashion_samples()
    start, end = images[3:5].reshape(2, 1, 28, 28) / 255.0
    end = start + 0.02 * (end - start)
    found = boundaries(read_program(model, "image", (1, 1, 28, 28)), start, end)
    at = np.unique(np.concatenate([[0.0], found.at, [1.0]]))
    middle = (at[1:] + at[:-1]) / 2
    run = networks.reference(in_float64(model)).run
    ends, middles = (
        run(None, {"image": start + t.reshape(-1, 1, 1, 1) * (end - start)})[0] for t in (at, middle)
    )
    gap = np.abs(middles - (ends[1:] + ends[:-1]) / 2).max()
    # On the way as a whole it is far from affine.
    assert np.abs(ends[len(ends) // 2] - (ends[0] + ends[-1]) / 2).max() > 1e-4
    assert gap < 1e-12 * np.abs(ends).max()


def test_what_is_not_piecewise_linear_is_named() -> None:
    model = load(models.path("char_transformer"))
    with pytest.raises(ModelError, match=r"char_transformer.onnx: the model (is not|has no) piecewise"):
        read_program(model, model.proto.graph.input[0].name, (1, 8))


def test_a_smooth_unit_before_a_bending_one_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["t"], name="smooth"), helper.make_node("Relu", ["t"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "smooth",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"not piecewise linear: node 'smooth' \(Tanh\)"):
        read_program(load(tmp_path / "m.onnx"), "x", (1, 2))
