"""How far watching moves a model's own outputs."""

import math

import numpy as np
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood import models
from onnx_ood.graph import select
from onnx_ood.runtime import Prober
from onnx_ood.runtime.batching import layout
from onnx_ood.runtime.observer import difference, largest
from onnx_ood.runtime.threads import run_threads


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


@pytest.mark.parametrize("values", [np.full(3, np.nan), np.full((2, 2), np.nan, np.float32)])
def test_outputs_of_nan_cannot_be_compared(values):
    assert math.isnan(difference(values, values.copy()))
    assert difference(values, np.zeros_like(values)) == math.inf


def test_nan_does_not_hide_other_outputs():
    assert largest([0.25, math.nan, 0.5]) == 0.5
    assert math.isnan(largest([math.nan, math.nan]))


@pytest.mark.parametrize("exact", [True, False])
def test_the_effect_on_a_model_of_nan_is_nan(save, exact):
    path = save(small_models.roots())
    negative = -np.ones((2, 4), np.float32)
    assert math.isnan(onnx_ood.observer_effect(path, negative, probes="all", exact=exact, provider="cpu"))
    mixed = np.array([[-1, -1, -1, -1], [1, 2, 3, 4]], np.float32)
    assert onnx_ood.observer_effect(path, mixed, probes="all", exact=True, provider="cpu") == 0


def test_no_outputs_is_no_effect():
    assert largest([]) == 0
    assert largest([0.25, 0.5, 0.0]) == 0.5


def _batch(count=5):
    images, _ = models.fashion_samples()
    return images[:count, np.newaxis].astype(np.float32) / 255


def _plain(name: str, *, optimised: bool) -> np.ndarray:
    """The logits of a bundled model as it came; on as many threads as a measurement's runs have."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = run_threads("cpu")
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(models.path(name).read_bytes(), options)
    return session.run(["logits"], {"image": _batch()})[0]


@pytest.mark.parametrize("part", [None, 1])
@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_resnet"])
def test_the_effect_is_how_far_the_measured_outputs_are_from_plain_ones(name, part, monkeypatch):
    """A marked Conv can't be folded with the BatchNormalization behind it, so the outputs round otherwise."""
    if part:
        monkeypatch.setitem(
            layout.MAX_STAGE_BYTES, "cpu", part
        )  # The model in as many parts as there can be.
    nudges = np.zeros((1, 1, 28, 28), dtype=np.float32)
    settings = {"probes": "op:Conv", "provider": "cpu"}
    measured = onnx_ood.measure(models.path(name), _batch(), nudges=nudges, **settings).outputs["logits"]
    plain = _plain(name, optimised=True).astype(np.float64)
    expected = (np.linalg.norm(measured - plain, axis=1) / np.linalg.norm(plain, axis=1)).max()
    found = onnx_ood.observer_effect(models.path(name), _batch(), **settings)
    assert found == pytest.approx(expected, rel=1e-6)
    if name == "fashion_cnn":
        assert 0 < found < 1e-5


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
    np.testing.assert_array_equal(measured.outputs["logits"], _plain("fashion_cnn", optimised=False))
