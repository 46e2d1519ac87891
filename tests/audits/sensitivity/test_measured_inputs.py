"""The sensitivity audit at tensors inside, and of models with other inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import extract_model

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import UsageError

SETTINGS = {"trajectories": 1, "directions": 4, "tolerance": 0.02}


def garments(folder: Path) -> tuple[str, np.ndarray]:
    images, _ = models.fashion_samples()
    inputs = (images[::20, np.newaxis] / 255).astype(np.float32)
    np.save(folder / "x.npy", inputs)
    return str(folder / "x.npy"), inputs


def test_a_site_inside_is_as_the_input_of_what_lies_behind(tmp_path: Path) -> None:
    """The rest of the network, cut off by onnx's own tool, fed with what onnxruntime gives at the site."""
    path, site = str(models.path("fashion_cnn")), "/blocks/blocks.1/relu/Relu_output_0"
    file, inputs = garments(tmp_path)
    whole = onnx.load(path)
    whole.graph.output.append(helper.make_tensor_value_info(site, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run([site], {"image": inputs})[0]
    np.save(tmp_path / "inside.npy", values)
    extract_model(path, str(tmp_path / "rest.onnx"), [site], ["logits"])
    settings = onnx_ood.SensitivitySettings(**SETTINGS)
    (expected,) = onnx_ood.sensitivity(
        [tmp_path / "rest.onnx"], [str(tmp_path / "inside.npy")], settings
    ).models
    settings = onnx_ood.SensitivitySettings(**SETTINGS, site=site)
    (found,) = onnx_ood.sensitivity([path], [file], settings).models
    assert found.site == site
    assert [one.jacobian for one in found.inputs] == pytest.approx(
        [one.jacobian for one in expected.inputs], rel=0.02
    )
    assert [one.name for one in found.sites] == [one.name for one in expected.sites]
    assert {way.type for way in found.trajectories} >= {"different_classes", "random"}
    for way, other in zip(found.trajectories, expected.trajectories, strict=True):
        assert way.length == pytest.approx(other.length, rel=1e-5)
        assert way.transitions == pytest.approx(other.transitions, rel=0.01)


def test_tokens_are_varied_at_the_first_floats_inside(tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", np.random.default_rng(0).integers(1, 60, (4, 8)))
    settings = onnx_ood.SensitivitySettings(trajectories=1, directions=2, tolerance=0.1)
    (model,) = onnx_ood.sensitivity(
        [models.path("char_transformer")], [str(tmp_path / "tokens.npy")], settings
    ).models
    assert model.site == "/embedding/Gather_output_0"
    assert any("the first inner tensor of floats" in note for note in model.notes)
    assert [way.type for way in model.trajectories] == ["random"]
    assert all(one.jacobian > 0 for one in model.inputs)


def test_what_goes_past_the_site_leaves_no_trajectories(tmp_path: Path) -> None:
    """In a residual block the shortcut of another input would go with a point between inputs."""
    file, _ = garments(tmp_path)
    site = "/blocks/blocks.1/relu1/Relu_output_0"
    settings = onnx_ood.SensitivitySettings(**SETTINGS, site=site)
    (model,) = onnx_ood.sensitivity([models.path("fashion_resnet")], [file], settings).models
    assert model.trajectories == ()
    assert any(note.startswith("Trajectories were left out: ") for note in model.notes)
    assert model.jacobian.norm.mean > 0


@pytest.fixture
def scaled(tmp_path: Path) -> Path:
    """relu(W·x·scale), whose Jacobian is W·scale where that is positive."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Mul", ["h", "scale"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    weights = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "scaled",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["N", 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "scaled.onnx")
    return tmp_path / "scaled.onnx"


def expected_norms(model: Path, x: np.ndarray, scale: float) -> list[float]:
    weights = numpy_helper.to_array(onnx.load(model).graph.initializer[0])
    return [float(np.linalg.norm(scale * weights[:, scale * (row @ weights) > 0])) for row in x]


def test_another_input_is_fed_the_same_for_all(scaled: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    for scale in (2.5, -4.0):
        settings = onnx_ood.SensitivitySettings(
            probe="y", directions=3, trajectories=2, feeds={"scale": str(scale)}
        )
        (model,) = onnx_ood.sensitivity([scaled], [str(tmp_path / "x.npy")], settings).models
        assert [one.jacobian for one in model.inputs] == pytest.approx(
            expected_norms(scaled, x, scale), rel=1e-3
        )
        assert model.feeds == {"scale": str(scale)}
        # A closed way crosses each of five planes through the origin an even number of times.
        assert len(model.trajectories) >= 2
        assert all(way.transitions % 2 == 0 and way.transitions <= 10 for way in model.trajectories)


@pytest.mark.parametrize(("site", "norm"), [("x", None), ("h", 2.0)])
def test_another_input_that_comes_with_each_leaves_no_trajectories(
    scaled: Path, tmp_path: Path, site: str, norm: float | None
) -> None:
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, scale=np.full((6, 1), 2, np.float32))
    settings = onnx_ood.SensitivitySettings(probe="y", site=site, directions=5, trajectories=2)
    (model,) = onnx_ood.sensitivity([scaled], [str(tmp_path / "x.npz")], settings).models
    expected = expected_norms(scaled, x, 2)
    if norm is not None:
        # Of relu(scale·h) by h: as many times the scale as units are on.
        weights = numpy_helper.to_array(onnx.load(scaled).graph.initializer[0])
        expected = [norm * np.sqrt((row @ weights > 0).sum()) for row in x]
    assert [one.jacobian for one in model.inputs] == pytest.approx(expected, rel=1e-3)
    assert model.trajectories == ()
    assert any(note.endswith("have no values for them: scale.") for note in model.notes)


def test_another_input_of_one_value_leaves_trajectories_inside(scaled: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32))
    settings = onnx_ood.SensitivitySettings(probe="y", site="h", trajectories=2, feeds={"scale": "-1"})
    (model,) = onnx_ood.sensitivity([scaled], [str(tmp_path / "x.npy")], settings).models
    # An ellipse crosses each of five planes twice, or not at all.
    assert {way.transitions for way in model.trajectories} <= {0, 2, 4, 6, 8, 10}
    assert any(way.transitions for way in model.trajectories)


def test_a_site_whose_inputs_lie_along_another_axis_has_norms_alone(tmp_path: Path) -> None:
    """relu(xᵀ)ᵀ·W, by xᵀ."""
    weights = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
            helper.make_node("Relu", ["t"], ["r"]),
            helper.make_node("Transpose", ["r"], ["b"], perm=[1, 0]),
            helper.make_node("MatMul", ["b", "w"], ["y"]),
        ],
        "turned",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "turned.onnx")
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    settings = onnx_ood.SensitivitySettings(probe="y", site="t", directions=3, trajectories=1)
    (found,) = onnx_ood.sensitivity([tmp_path / "turned.onnx"], [str(tmp_path / "x.npy")], settings).models
    expected = [np.linalg.norm(weights[row > 0]) for row in x]
    assert [one.jacobian for one in found.inputs] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert found.trajectories == ()
    assert any("first axis of t" in note for note in found.notes)


def test_inputs_of_other_shapes_have_norms_and_those_of_the_first_have_trajectories(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, length in (("a", 8), ("b", 12), ("c", 8)):
        np.save(tmp_path / f"{name}.npy", rng.integers(1, 60, (2, length)))
    settings = onnx_ood.SensitivitySettings(trajectories=1, directions=2, tolerance=0.2)
    (model,) = onnx_ood.sensitivity([models.path("char_transformer")], [str(tmp_path)], settings).models
    assert len(model.inputs) == 6
    assert len(model.trajectories) == 1
    assert any("first 4 inputs of one shape" in note for note in model.notes)


def test_exact_boundaries_are_those_of_the_input(tmp_path: Path) -> None:
    file, _ = garments(tmp_path)
    settings = onnx_ood.SensitivitySettings(exact_regions=True, site="/blocks/blocks.1/relu/Relu_output_0")
    with pytest.raises(UsageError, match="exact"):
        onnx_ood.sensitivity([models.path("fashion_cnn")], [file], settings)
