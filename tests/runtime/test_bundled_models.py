"""What the issue asks of every bundled model: agreement with an independent reduction, whatever the batch size."""

import numpy as np
import onnx
import onnxruntime
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.runtime.threads import run_threads

INPUTS = {"efficientnet_lite0": 8, "fashion_cnn": 40, "fashion_resnet": 40}
# From drops near 1e-9 to drops near 1.
SCALES = (3e-5, 1e-3, 0.1, 3.0)


def _batch(name: str) -> np.ndarray:
    if name.startswith("fashion"):
        images, _ = models.fashion_samples()
        return images[: INPUTS[name], np.newaxis].astype(np.float32) / 255
    return np.random.default_rng(1).normal(size=(INPUTS[name], 3, 224, 224)).astype(np.float32)


def _all_marked(name: str) -> tuple[onnxruntime.InferenceSession, list[str]]:
    """A session that gives back every floating-point tensor that depends on the input, built from onnx alone."""
    model = onnx.load(models.path(name))
    inferred = onnx.shape_inference.infer_shapes(model)
    floats = {
        value.name
        for value in [*inferred.graph.value_info, *inferred.graph.output]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    reached = {model.graph.input[0].name}
    marked = []
    for node in model.graph.node:
        if reached & set(node.input):
            reached.update(node.output)
            marked += [output for output in node.output if output in floats]
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in marked if name not in present)
    options = onnxruntime.SessionOptions()
    # The number of threads decides how sums are cut up, and fusions what is rounded: both as in the measurement.
    options.intra_op_num_threads = run_threads("cpu")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers), marked


def _reference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine drop and flips by plain float64 numpy: ‖u − v‖²/2 of the unit vectors."""
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    flips = ((a > 0) != (b > 0)).sum(axis=1)
    norms = np.linalg.norm(a, axis=1, keepdims=True), np.linalg.norm(b, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        gap = a / norms[0] - b / norms[1]
    return (gap**2).sum(axis=1) / 2, flips


@pytest.mark.parametrize("name", INPUTS)
def test_every_probe_agrees_with_a_float64_reduction_of_the_same_activations(name):
    session, marked = _all_marked(name)
    batch = _batch(name)
    unit = np.random.default_rng(2).normal(size=batch.shape[1:]).astype(np.float32)
    nudges = np.stack([unit * scale for scale in SCALES]).astype(np.float32)
    measured = onnx_ood.measure(
        models.path(name), batch, probes="all", nudges=nudges, provider="cpu", exact=True
    )
    assert set(measured.probes) == set(marked)

    site = session.get_inputs()[0].name
    clean = session.run(list(measured.probes), {site: batch})
    drops = measured.cosine_drop()
    compared = 0
    for k, nudge in enumerate(nudges):
        nudged = session.run(list(measured.probes), {site: batch + nudge})
        for p, (a, b) in enumerate(zip(clean, nudged, strict=True)):
            expected, flips = _reference(a, b)
            np.testing.assert_array_equal(measured.flips[:, k, p], flips)
            in_range = (expected >= 1e-9) & (expected <= 1)
            np.testing.assert_allclose(drops[in_range, k, p], expected[in_range], rtol=1e-4)
            compared += int(in_range.sum())
    assert compared > 0.5 * drops.size
    finite = drops[(drops > 1e-9) & (drops < 1)]
    assert finite.min() < 1e-8
    assert finite.max() > 0.3


@pytest.mark.parametrize("name", INPUTS)
def test_batch_sizes_give_the_same_numbers(name):
    batch = np.resize(_batch(name), (33, *_batch(name).shape[1:]))
    nudges = np.random.default_rng(3).normal(size=(2, *batch.shape[1:])).astype(np.float32) * 0.05
    probes = ["op:Clip[::6]", "outputs"] if name == "efficientnet_lite0" else "all"
    first, *others = (
        onnx_ood.measure(
            models.path(name), batch, probes=probes, nudges=nudges, batch_size=size, provider="cpu"
        )
        for size in (1, 7, 32)
    )
    for other in others:
        np.testing.assert_allclose(other.cosine_drop(), first.cosine_drop(), rtol=1e-5)
        np.testing.assert_allclose(other.distortion(), first.distortion(), rtol=1e-5)
        np.testing.assert_array_equal(other.flips, first.flips)
