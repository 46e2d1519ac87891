"""The sensitivity audit against plain runs of the same models, and the published findings on bundled networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from garment_arrays import garments, saved
from onnx import numpy_helper

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.sensitivity.result import ModelSensitivity
from onnx_ood.exceptions import NotEvaluatedError, UsageError


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
    assert not any("the same model" in note for note in result.notes)
    # The same model twice has the same interval twice.
    twice = onnx_ood.sensitivity([paths[0], paths[0]], [saved(tmp_path, "y.npy", inputs)], settings)
    assert any("fashion_cnn.onnx and fashion_cnn.onnx overlap" in note for note in twice.notes)
    assert f"{paths[0].as_posix()}: the same model is ranked 2 times." in twice.notes
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(paths[0].read_bytes())
    renamed = onnx_ood.sensitivity([paths[0], copy], [saved(tmp_path, "y.npy", inputs)], settings)
    assert f"{paths[0].as_posix()}, {copy.as_posix()}: the same model is ranked 2 times." in renamed.notes


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
    """More inputs than one batch holds, in one file: a random sample of the rows is measured."""
    inputs, _ = garments(80)
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=2, limit=limit)
    name = saved(tmp_path, "x.npy", inputs)
    done: dict[str, tuple[int, int | None]] = {}
    result = onnx_ood.sensitivity(
        models.path("fashion_cnn"),
        name,
        settings,
        progress=lambda phase, count, total: done.update({phase: (count, total)}),
    )
    chosen = np.sort(np.random.default_rng(0).choice(80, limit, replace=False))
    assert [one.id for one in result.models[0].inputs] == [f"{name}[{i}]" for i in chosen]
    assert result.limit == limit
    assert done["inputs"] == (limit, limit)


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


@pytest.mark.parametrize("factor", [1.0, 0.0])
def test_a_quantized_model_is_never_stable_for_its_rounding(save, factor: float) -> None:
    """Differences over steps see a linear map; a map that gives 0 for all of them is not evaluated."""
    weights = {
        "s": np.float32(0.25),
        "z": np.uint8(128),
        "w": small_models.normal(4, 3, seed=1) * np.float32(factor),
    }
    text = """net (float[N, 4] x) => (float[N, 3] y) {
        q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) h = MatMul (d, w) y = Relu (h) }"""
    model = save(small_models.build(text, weights))
    rows = np.rint(small_models.normal(12, 4, seed=2) * 4).astype(np.float32) / 4
    if factor == 0:
        with pytest.raises(NotEvaluatedError, match=r"rounds 'x' to steps of 0\.25"):
            onnx_ood.sensitivity(model, rows, trajectories=0, provider="cpu")
        return
    (found,) = onnx_ood.sensitivity(model, rows, trajectories=0, probe="h", provider="cpu").models
    assert any("steps of 0.25" in note for note in found.notes)
    # All four unit vectors, over steps that the rounding keeps: the norm is that of the weights.
    assert found.jacobian.norm.mean == pytest.approx(np.linalg.norm(weights["w"]), rel=1e-5)


def test_differences_of_a_model_that_rounds_to_each_inputs_range_are_over_its_steps(save) -> None:
    """Dynamic quantization: the norm is that of the weights, where the default step would see nothing."""
    weights = {"w": small_models.normal(4, 3, seed=1)}
    text = """net (float[N, 4] x) => (float[N, 3] y) {
        q, s, z = DynamicQuantizeLinear (x) d = DequantizeLinear (q, s, z) y = MatMul (d, w) }"""
    rows = small_models.normal(12, 4, seed=2)
    # The range of each input is wider than its values, so that a nudge leaves the steps as they are.
    rows[:, 0], rows[:, 1] = 25.5, -25.5
    settings = onnx_ood.SensitivitySettings(trajectories=0, directions=64, provider="cpu", probe="y")
    (found,) = onnx_ood.sensitivity(save(small_models.build(text, weights)), rows, settings).models
    assert any("255 steps over the range of each input" in note for note in found.notes)
    assert found.jacobian.norm.mean == pytest.approx(np.linalg.norm(weights["w"]), rel=0.2)
