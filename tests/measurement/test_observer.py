"""How far watching moves a model's own outputs."""

import math

import numpy as np
import onnx
import onnxruntime
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.graph import select
from onnx_ood.measurement import Prober
from onnx_ood.measurement.observer import difference, largest


def test_the_difference_is_relative_in_norm():
    plain = np.array([[3.0, 0.0], [0.0, 4.0]], dtype=np.float32)
    watched = plain + np.array([[0.0, 0.5], [0.0, 0.0]], dtype=np.float32)
    assert difference(plain, watched) == pytest.approx(0.1)
    assert difference(plain, plain.copy()) == 0
    assert difference(1000 * plain, 1000 * watched) == pytest.approx(0.1)


def test_integers_differ_by_their_share():
    assert difference(np.arange(8), np.array([0, 1, 2, 3, 4, 5, 9, 9])) == pytest.approx(2 / 8)
    assert difference(np.array(["a", "b"]), np.array(["a", "c"])) == 0.5


@pytest.mark.parametrize(
    ("plain", "watched"),
    [
        (np.zeros(3), np.array([0.0, 1e-9, 0.0])),
        (np.ones(3), np.ones(4)),
        (np.ones(3), np.ones(3, dtype=np.float32)),
        (np.array([1.0, np.nan]), np.array([np.nan, 1.0])),
        (np.array([1.0, 2.0]), np.array([1.0, np.inf])),
        (np.array([1.0, np.inf]), np.array([1.0, -np.inf])),
    ],
)
def test_what_can_t_be_compared_is_infinitely_far(plain, watched):
    assert difference(plain, watched) == math.inf


def test_the_same_nan_and_infinity_are_no_difference():
    values = np.array([np.nan, np.inf, -np.inf, 2.0])
    assert difference(values, values.copy()) == 0
    assert difference(values, np.array([np.nan, np.inf, -np.inf, 3.0])) == pytest.approx(0.5)


def test_no_outputs_is_no_effect():
    assert largest([]) == 0
    assert largest([0.25, 0.5, 0.0]) == 0.5


def _batch(count=5):
    images, _ = models.fashion_samples()
    return images[:count, np.newaxis].astype(np.float32) / 255


def _outputs(marked: bool, *, optimised: bool) -> np.ndarray:
    """The logits of the model that keeps its BatchNormalization, plain or with every convolution marked."""
    model = onnx.load(models.path("fashion_cnn"))
    if marked:
        convs = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in convs)
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(
        ["logits"], {"image": _batch()}
    )[0]


def test_the_effect_is_what_marking_by_hand_does():
    """A marked Conv can't be folded with the BatchNormalization behind it, so the outputs round otherwise."""
    model = onnx_ood.load(models.path("fashion_cnn"))
    prober = Prober(model, select(model, "op:Conv"), provider="cpu")
    plain, marked = _outputs(False, optimised=True), _outputs(True, optimised=True)
    expected = np.linalg.norm(marked.astype(np.float64) - plain) / np.linalg.norm(plain.astype(np.float64))
    assert 0 < expected < 1e-5
    assert prober.observer_effect(_batch()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_resnet"])
def test_exact_leaves_every_bit(name):
    model = onnx_ood.load(models.path(name))
    prober = Prober(model, select(model, "all"), provider="cpu", exact=True)
    assert prober.observer_effect(_batch()) == 0


def test_exact_outputs_are_those_of_the_plain_model_without_fusions():
    nudges = np.full((1, 1, 28, 28), 0.01, dtype=np.float32)
    measured = onnx_ood.measure(
        models.path("fashion_cnn"), _batch(), probes="op:Conv", nudges=nudges, provider="cpu", exact=True
    )
    np.testing.assert_array_equal(measured.outputs["logits"], _outputs(False, optimised=False))


def test_every_group_of_probes_is_looked_at(monkeypatch):
    """With the probes split over sessions, the effect is the largest of them."""
    from onnx_ood.measurement import layout

    model = onnx_ood.load(models.path("fashion_cnn"))
    whole = Prober(model, select(model, "op:Conv"), provider="cpu").observer_effect(_batch())
    monkeypatch.setattr(layout, "_MOST_BYTES", 1)
    split = Prober(model, select(model, ["op:Conv", "op:Relu"]), provider="cpu")
    assert split.observer_effect(_batch()) > 0
    alone = [
        Prober(model, select(model, f"op:Conv[{i}]"), provider="cpu").observer_effect(_batch())
        for i in range(5)
    ]
    assert split.observer_effect(_batch()) == max(alone)
    assert whole > 0


def test_the_function_is_the_difference_of_two_sessions():
    path, batch = models.path("fashion_resnet"), _batch(4)
    probes = [tensor.name for tensor in onnx_ood.load(path).tensors if tensor.op == "Relu"]
    marked = onnx.load(path)
    marked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in probes)
    plain, watched = (
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            ["logits"], {"image": batch}
        )[0]
        for model in (onnx.load(path), marked)
    )
    expected = np.linalg.norm((watched - plain).astype(np.float64)) / np.linalg.norm(plain.astype(np.float64))
    found = onnx_ood.observer_effect(path, batch, probes="op:Relu", provider="cpu")
    assert found == pytest.approx(expected, rel=1e-6)
    assert onnx_ood.observer_effect(path, batch, probes="op:Relu", provider="cpu", exact=True) == 0
