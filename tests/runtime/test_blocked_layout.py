"""Probes taken as the runtime keeps them, against the same probes as the model has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_ood import models
from onnx_ood.graph import load, measurable
from onnx_ood.runtime import ChannelReader, Prober, session
from onnx_ood.runtime.blocked_layout import in_order
from onnx_ood.runtime.session import Session, block_width

CHANNELS = {"first": 32, "narrow": 24, "pointwise": 16, "deep": 48}


def network(folder: Path) -> Path:
    """Convolutions of several widths: 24 channels would be filled up to 32 where blocks are 16 wide."""
    rng = np.random.default_rng(0)
    nodes, weights, source, before = [], [], "x", 3
    for name, after in CHANNELS.items():
        kernel = 1 if name == "pointwise" else 3
        weight = rng.standard_normal((after, before, kernel, kernel)).astype(np.float32) / (before * kernel)
        weights.append(numpy_helper.from_array(weight, f"{name}.weight"))
        nodes.append(
            helper.make_node("Conv", [source, f"{name}.weight"], [name], pads=[kernel // 2] * 4, name=name)
        )
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        source, before = f"{name}.relu", after
    nodes.append(helper.make_node("GlobalAveragePool", [source], ["y"]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 10, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 48, 1, 1])],
        weights,
    )
    path = folder / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def marked(path: Path, names: list[str]) -> onnx.ModelProto:
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return model


def test_units_come_in_another_order_and_keep_their_values_input_and_channels(tmp_path: Path) -> None:
    path = network(tmp_path)
    names = [f"{name}.relu" for name in CHANNELS]
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 3, 10, 9)).astype(np.float32)}
    expected = Session(marked(path, names), path, "cpu").run([*names, "y"], feeds)
    blocked = Session(marked(path, names), path, "cpu", unordered=names)
    found = blocked.run([*names, "y"], feeds)
    moved = []
    for name, right, array in zip(names, expected[:-1], found[:-1], strict=True):
        assert blocked.dtypes[name] == "float32"
        assert array.shape == right.shape
        np.testing.assert_array_equal(np.sort(array.reshape(2, -1)), np.sort(right.reshape(2, -1)))
        if not np.array_equal(array, right):
            moved.append(name)
            # [N, C/b, H, W, b] for blocks of some width b.
            b = block_width()
            back = array.reshape(2, -1, 10, 9, b).transpose(0, 1, 4, 2, 3).reshape(right.shape)
            np.testing.assert_array_equal(back, right)
            np.testing.assert_array_equal(in_order(array, b), right)
    np.testing.assert_array_equal(found[-1], expected[-1])
    # Where the runtime has no blocked convolutions, nothing is moved.
    assert moved in ([], ["first.relu", "pointwise.relu", "deep.relu"])
    assert blocked.blocked == set(moved)


@pytest.mark.parametrize("batch_size", [None, 1, 2])
def test_channels_of_blocked_tensors_are_those_of_numpy(tmp_path: Path, batch_size: int | None) -> None:
    path = network(tmp_path)
    names = [f"{name}.relu" for name in CHANNELS]
    batch = np.random.default_rng(1).standard_normal((3, 3, 10, 9)).astype(np.float32)
    expected = Session(marked(path, names), path, "cpu").run(names, {"x": batch})
    reader = ChannelReader(load(path), names, values=["deep.relu"], batch_size=batch_size, provider="cpu")
    found = reader.read(batch)
    np.testing.assert_array_equal(found.values["deep.relu"], expected[-1])
    for name, right in zip(names, expected, strict=True):
        statistics = found.statistics[name]
        exact = right.astype(np.float64).reshape(*right.shape[:2], -1)
        np.testing.assert_allclose(statistics.mean, exact.mean(axis=2), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(statistics.variance, exact.var(axis=2), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(statistics.largest, exact.max(axis=2), rtol=1e-6)
        np.testing.assert_allclose(statistics.active, (exact > 0).mean(axis=2), rtol=1e-6)


def test_inputs_that_lie_along_a_later_axis_are_found_in_blocked_tensors(tmp_path: Path) -> None:
    """Convolutions over time: inputs lie along the height, which the convolutions leave apart."""
    path = network(tmp_path)
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "Conv":
            kernel = 1 if node.name == "pointwise" else 3
            for weight in model.graph.initializer:
                if weight.name == node.input[1]:
                    values = numpy_helper.to_array(weight)[:, :, :1]
                    weight.CopyFrom(numpy_helper.from_array(values.copy(), weight.name))
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("pads", [0, kernel // 2, 0, kernel // 2]))
    model.graph.node[-1].CopyFrom(helper.make_node("ReduceMean", ["deep.relu"], ["y"], axes=[3]))
    for node in model.graph.node:
        node.input[:] = ["moved" if name == "x" else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Transpose", ["x"], ["moved"], perm=[2, 1, 0, 3]))
    del model.graph.input[:], model.graph.output[:]
    model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 1, 9]))
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 48, "N", 1]))
    onnx.save(model, path)
    names = [f"{name}.relu" for name in CHANNELS]
    batch = np.random.default_rng(1).standard_normal((4, 3, 1, 9)).astype(np.float32)
    expected = Session(marked(path, names), path, "cpu").run(names, {"x": batch})
    found = ChannelReader(load(path), names, provider="cpu").read(batch)
    for name, right in zip(names, expected, strict=True):
        # What is left of a sample begins with the axis of size 1 in place of its channels.
        exact = right[0].astype(np.float64).transpose(1, 0, 2)
        np.testing.assert_allclose(found.statistics[name].mean[:, 0], exact.mean(axis=(1, 2)), rtol=1e-6)
        np.testing.assert_allclose(found.statistics[name].largest[:, 0], exact.max(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "fashion_resnet"])
def test_statistics_are_those_of_units_in_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(models.path(name))
    probes = measurable(model)
    batch = np.random.default_rng(0).random((3, *model.inputs[0].shape[1:])).astype(np.float32)
    nudges = 0.01 * np.random.default_rng(1).standard_normal((2, *batch.shape[1:]))
    found = Prober(model, probes, provider="cpu").measure(batch, nudges)
    monkeypatch.setattr(session, "keep_blocked", lambda *_: {})
    expected = Prober(model, probes, provider="cpu").measure(batch, nudges)
    np.testing.assert_array_equal(found.flip_rate(), expected.flip_rate())
    np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-9, atol=1e-15)
    for output, values in expected.outputs.items():
        np.testing.assert_array_equal(found.outputs[output], values)


def test_without_room_on_disk_units_stay_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = network(tmp_path)
    names = [f"{name}.relu" for name in CHANNELS]
    feeds = {"x": np.ones((1, 3, 10, 9), np.float32)}
    expected = Session(marked(path, names), path, "cpu").run(names, feeds)

    class Missing:
        def __init__(self, **_: object) -> None:
            pass

        def __enter__(self) -> str:
            return str(tmp_path / "missing")

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(session, "TemporaryDirectory", Missing)
    found = Session(marked(path, names), path, "cpu", unordered=names).run(names, feeds)
    for right, array in zip(expected, found, strict=True):
        np.testing.assert_array_equal(array, right)
