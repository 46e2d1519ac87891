"""The sensitivity audit against plain runs of the same models, and the published findings on bundled networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.sensitivity.result import ModelSensitivity
from onnx_ood.exceptions import NotEvaluatedError, UsageError


def garments(count: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Every so many of the bundled garments, as the models take them, and their classes."""
    images, labels = models.fashion_samples()
    chosen = slice(start, None, len(images) // count)
    return (images[chosen, np.newaxis] / 255).astype(np.float32)[:count], labels[chosen][:count]


def saved(folder: Path, name: str, inputs: np.ndarray) -> str:
    np.save(folder / name, inputs)
    return str(folder / name)


def exact_norms(path: Path, inputs: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """‖∂ softmax/∂x‖_F by central differences along every pixel, run by onnxruntime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def softmax(x: np.ndarray) -> np.ndarray:
        logits = session.run(["logits"], {"image": x})[0].astype(np.float64)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    every = (step * np.eye(784, dtype=np.float32)).reshape(784, 1, 28, 28)
    return np.array([np.linalg.norm((softmax(x + every) - softmax(x - every)) / (2 * step)) for x in inputs])


def test_norms_are_those_of_all_pixels_within_their_standard_errors(tmp_path: Path) -> None:
    inputs, _ = garments(6)
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=64)
    result = onnx_ood.sensitivity(
        [models.path("fashion_resnet")], [saved(tmp_path, "x.npy", inputs)], settings
    )
    (model,) = result.models
    found = np.array([one.jacobian for one in model.inputs])
    errors = np.array([one.jacobian_error for one in model.inputs])
    exact = exact_norms(models.path("fashion_resnet"), inputs)
    # Three standard errors, and what differences of this step leave.
    assert (np.abs(found - exact) <= 3 * errors + 0.02 * exact).all()
    assert model.jacobian.norm.mean == pytest.approx(found.mean())
    assert model.jacobian.probe == "softmax of 'logits'"
    assert result.status == "measured"


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


def test_the_norm_is_that_of_the_tensor_the_user_names(tmp_path: Path) -> None:
    inputs, _ = garments(2)
    path = models.path("fashion_cnn")
    settings = onnx_ood.SensitivitySettings(probe="op:Gemm[-1]", trajectories=0, directions=784)
    (model,) = onnx_ood.sensitivity([path], [saved(tmp_path, "x.npy", inputs)], settings).models
    assert model.jacobian.probe == "'logits'"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    every = (1e-3 * np.eye(784, dtype=np.float32)).reshape(784, 1, 28, 28)
    for one, x in zip(model.inputs, inputs, strict=True):
        before, after = (session.run(["logits"], {"image": x + side * every})[0] for side in (-1, 1))
        assert one.jacobian == pytest.approx(np.linalg.norm((after - before) / 2e-3), rel=0.01)


def test_ellipses_go_by_the_classes_of_a_file(tmp_path: Path) -> None:
    """By classes that have nothing to do with what the model says."""
    inputs, _ = garments(10)
    file = saved(tmp_path, "x.npy", inputs)
    given = {f"x.npy[{i}]": "abc"[i % 3] for i in range(9)}
    (tmp_path / "classes.csv").write_text(
        "class,input,weight\n" + "".join(f"{of},{name},1\n" for name, of in given.items())
    )
    settings = onnx_ood.SensitivitySettings(
        classes=tmp_path / "classes.csv", trajectories=3, directions=2, tolerance=0.2
    )
    (model,) = onnx_ood.sensitivity([models.path("fashion_cnn")], [file], settings).models
    ways = {"same_class": 1, "different_classes": 3}
    for kind, wanted in ways.items():
        through = [way.inputs for way in model.trajectories if way.type == kind]
        assert len(through) == 3
        for ids in through:
            assert len({given[Path(name).name] for name in ids}) == wanted
    assert model.classes == str(tmp_path / "classes.csv")
    assert any(note.startswith("1 of 10 inputs have no class") for note in model.notes)


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_resnet"])
def test_as_published_functions_are_more_stable_near_data(name: str, tmp_path: Path) -> None:
    """Novak et al.: fewer transitions within a class than between classes and far off, and smaller norms near data.

    Transitions are those of a whole trajectory, as published. For each unit of length they are no fewer near data.
    """
    inputs, _ = garments(40)
    settings = onnx_ood.SensitivitySettings(trajectories=4, directions=8, tolerance=1e-2)
    near, (model,) = norms(name, saved(tmp_path, "x.npy", inputs), settings)
    transitions = {kind.type: kind.transitions.mean for kind in model.trajectory_types}
    assert transitions["same_class"] < transitions["different_classes"]
    assert transitions["same_class"] < transitions["random"]
    far = np.random.default_rng(0).normal(inputs.mean(), inputs.std(), (10, 1, 28, 28)).astype(np.float32)
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=8)
    away, _ = norms(name, saved(tmp_path, "far.npy", far), settings)
    assert np.median(near) < np.median(away) / 2


def norms(
    name: str, file: str, settings: onnx_ood.SensitivitySettings
) -> tuple[list[float], tuple[ModelSensitivity, ...]]:
    models_ = onnx_ood.sensitivity([models.path(name)], [file], settings).models
    return [one.jacobian for one in models_[0].inputs], models_


def test_damaged_inputs_are_told_and_too_many_are_not_evaluated(tmp_path: Path) -> None:
    inputs, _ = garments(3)
    inputs[1, 0, 5, 5] = np.nan
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=4)
    file = saved(tmp_path, "x.npy", inputs)
    result = onnx_ood.sensitivity([models.path("fashion_cnn")], [file], settings)
    assert [failed.id for failed in result.models[0].failed] == [f"{file}[1]"]
    assert result.status == "measured"
    inputs[0] = np.nan
    file = saved(tmp_path, "y.npy", inputs)
    assert onnx_ood.sensitivity([models.path("fashion_cnn")], [file], settings).status == "not_evaluated"
    inputs[2] = np.nan
    with pytest.raises(NotEvaluatedError, match="no input could be measured"):
        onnx_ood.sensitivity([models.path("fashion_cnn")], [saved(tmp_path, "z.npy", inputs)], settings)


def test_models_are_ranked_by_their_norms(tmp_path: Path) -> None:
    """A network whose head is scaled up answers more sharply: with logits k times as large, norms change as k says."""
    flat = onnx.load(models.path("fashion_cnn"))
    head = {node.input[1] for node in flat.graph.node if node.op_type in {"Gemm", "MatMul"}}
    head |= {node.input[2] for node in flat.graph.node if node.op_type == "Gemm"}
    for tensor in flat.graph.initializer:
        if tensor.name in head:
            values = numpy_helper.to_array(tensor) * np.float32(1e-3)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(flat, tmp_path / "flat.onnx")
    inputs, _ = garments(10)
    paths = [models.path("fashion_cnn"), tmp_path / "flat.onnx"]
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=8)
    result = onnx_ood.sensitivity(paths, [saved(tmp_path, "x.npy", inputs)], settings)
    assert [model.model.path for model in result.models] == [str(paths[1]), str(paths[0])]
    assert [model.jacobian_rank for model in result.models] == [1, 2]
    first, second = (model.jacobian.norm for model in result.models)
    apart = first.high < second.low
    assert any("flat.onnx and fashion_cnn.onnx overlap" in note for note in result.notes) != apart
    # The same model twice has the same interval twice.
    twice = onnx_ood.sensitivity([paths[0], paths[0]], [saved(tmp_path, "y.npy", inputs)], settings)
    assert any("fashion_cnn.onnx and fashion_cnn.onnx overlap" in note for note in twice.notes)


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


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"directions": 1}, "directions"),
        ({"trajectories": -1}, "trajectories"),
        ({"tolerance": 0}, "tolerance"),
    ],
)
def test_settings_out_of_range_are_named(changed: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        onnx_ood.SensitivitySettings(**changed)


@pytest.mark.parametrize("limit", [1, 40, 70])
def test_a_limit_is_over_all_inputs(tmp_path: Path, limit: int) -> None:
    """More inputs than one batch holds, in one file: the first `limit` of them are measured."""
    inputs, _ = garments(80)
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=2, limit=limit)
    name = saved(tmp_path, "x.npy", inputs)
    done: list[tuple[int, int | None]] = []
    result = onnx_ood.sensitivity(
        models.path("fashion_cnn"), name, settings, progress=lambda count, total: done.append((count, total))
    )
    assert [one.id for one in result.models[0].inputs] == [f"{name}[{i}]" for i in range(limit)]
    assert result.limit == limit
    assert done[-1] == (limit, limit)


def test_a_limit_is_a_random_sample_of_files_by_the_seed(tmp_path: Path) -> None:
    inputs, _ = garments(20)
    for i, one in enumerate(inputs):
        np.save(tmp_path / f"{i:02}.npy", one)

    def measured(seed: int) -> list[str]:
        settings = onnx_ood.SensitivitySettings(trajectories=0, directions=2, limit=5, seed=seed)
        (model,) = onnx_ood.sensitivity(models.path("fashion_cnn"), str(tmp_path), settings).models
        return [Path(one.id).name for one in model.inputs]

    first = measured(0)
    assert len(set(first)) == 5
    assert first == sorted(first) == measured(0)
    assert first != measured(1)


def test_arrays_in_memory_and_rows_of_files_are_measured(tmp_path: Path) -> None:
    inputs, _ = garments(4)
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=8)
    name = saved(tmp_path, "x.npy", inputs)
    (whole,) = onnx_ood.sensitivity(models.path("fashion_cnn"), name, settings).models
    (memory,) = onnx_ood.sensitivity(models.path("fashion_cnn"), inputs, settings).models
    (row,) = onnx_ood.sensitivity(models.path("fashion_cnn"), f"{name}[2]", settings).models
    assert [one.jacobian for one in memory.inputs] == [one.jacobian for one in whole.inputs]
    assert [one.id for one in row.inputs] == [f"{name}[2]"]
