"""Reading what channels hold, against numpy on tensors by onnx's reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from onnx_ood import models
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import load
from onnx_ood.runtime import ChannelReader
from onnx_ood.runtime.channel_reader import _without_rank_1
from onnx_ood.runtime.kernels.channel_sums import channel_sums

Save = Callable[..., Path]


@given(
    rows=st.integers(1, 3),
    channels=st.integers(1, 5),
    places=st.integers(1, 300),
    offset=st.sampled_from([0.0, 1.0, -3000.0]),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_channels_are_summed_up(
    rows: int, channels: int, places: int, offset: float, dtype: str, seed: int
) -> None:
    a = (small_models.normal(rows, channels, places, seed=seed) + offset).astype(dtype)
    wide = a.astype(np.float64)
    found = channel_sums(a)
    np.testing.assert_allclose(found.mean, wide.mean(axis=2), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.variance, wide.var(axis=2), rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(found.largest, wide.max(axis=2))
    np.testing.assert_allclose(found.active, (wide > 0).mean(axis=2), rtol=1e-15)


def test_a_channel_with_nan_is_nan() -> None:
    a = small_models.normal(1, 2, 5)
    a[0, 1, 3] = np.nan
    found = channel_sums(a)
    assert np.isnan(found.mean[0, 1])
    assert np.isnan(found.variance[0, 1])
    assert np.isfinite(found.mean[0, 0])


def _reference(model: ModelProto, names: list[str], batch: np.ndarray) -> dict[str, np.ndarray]:
    runs = ReferenceEvaluator(small_models.marked(model, names)).run(names, {"image": batch})
    return dict(zip(names, runs, strict=True))


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_convolutions_have_channels_first(save: Save, batch_size: int | None) -> None:
    model, batch = small_models.classifier(), small_models.images(7)
    loaded = load(save(model))
    convs, out = ["relu1", "relu2"], "logits"
    reader = ChannelReader(
        loaded,
        [*convs, "image"],
        values=[out],
        without_rank_1=convs[-1:],
        provider="cpu",
        batch_size=batch_size,
    )
    found = reader.read(batch)
    expected = _reference(model, [*convs, out], batch)
    expected["image"] = batch
    for name in [*convs, "image"]:
        flat = expected[name].reshape(*expected[name].shape[:2], -1).astype(np.float64)
        statistics = found.statistics[name]
        np.testing.assert_allclose(statistics.mean, flat.mean(axis=2), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(statistics.variance, flat.var(axis=2), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(statistics.largest, flat.max(axis=2), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(statistics.active, (flat > 0).mean(axis=2), atol=1e-12)
    np.testing.assert_allclose(found.values[out], expected[out], rtol=1e-4, atol=1e-5)
    assert set(found.values) == {out}
    for one, means in zip(expected[convs[-1]], found.without_rank_1[convs[-1]], strict=True):
        flat = one.reshape(len(one), -1)
        u, s, v = np.linalg.svd(flat, full_matrices=False)
        rest = (u[:, 1:] * s[1:]) @ v[1:]
        np.testing.assert_allclose(means, rest.mean(axis=1), rtol=1e-4, atol=1e-5)


def test_transformers_have_channels_last() -> None:
    """Of tokens [N, T, D] each of D features is a channel, and T its places."""
    model = load(models.path("char_transformer"))
    tokens = np.stack([models.encode(text)[:20] for text in models.sentences()["in_distribution"][:5]])
    rows = next(tensor.name for tensor in model.tensors if tensor.op == "LayerNormalization")
    proto = small_models.marked(model.proto, [rows])
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (values,) = session.run([rows], {model.inputs[0].name: tokens})
    assert values.ndim == 3
    reader = ChannelReader(model, [rows], provider="cpu")
    found = reader.read(tokens).statistics[rows]
    assert found.mean.shape == (5, values.shape[2])
    np.testing.assert_allclose(found.mean, values.mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.largest, values.max(axis=1), rtol=1e-4, atol=1e-5)


def test_an_axis_of_the_batch_inside(save: Save) -> None:
    model = small_models.transposed()
    loaded = load(save(model))
    name = loaded.outputs[0]
    batch = small_models.normal(4, *[int(size) for size in (loaded.inputs[0].shape or ())[1:]])
    alone = [
        ChannelReader(loaded, [name], provider="cpu").read(batch[i : i + 1]).statistics[name]
        for i in range(4)
    ]
    together = ChannelReader(loaded, [name], provider="cpu").read(batch).statistics[name]
    np.testing.assert_allclose(together.mean, np.concatenate([one.mean for one in alone]), rtol=1e-5)


def test_what_cannot_be_read_is_said(save: Save) -> None:
    loaded = load(save(small_models.classifier()))
    with pytest.raises(UsageError, match="no tensors"):
        ChannelReader(loaded, [], provider="cpu")
    with pytest.raises(UsageError, match="batch_size=0 is too small"):
        ChannelReader(loaded, ["image"], provider="cpu", batch_size=0)
    labels = load(save(small_models.labels()))
    whole = next(name for name in labels.outputs if labels.by_name[name].dtype == "int64")
    with pytest.raises(ModelError, match=r"int64.*choose tensors of float16"):
        ChannelReader(labels, [whole], provider="cpu")


def test_an_input_without_a_decomposition_is_nan_and_the_others_are_as_alone() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 4, 6))
    maps[1, 2, 3] = np.nan
    found = _without_rank_1(maps)
    assert np.isnan(found[1]).all()
    for i in (0, 2):
        u, s, v = np.linalg.svd(maps[i])
        np.testing.assert_allclose(found[i], (maps[i] - s[0] * np.outer(u[:, 0], v[0])).mean(axis=1))


LABELLED = """labelled (float[N, 4] x) => (string[N] label, float[N, 3] p, seq(map(string, float)) maps) {
    label, p = ai.onnx.ml.TreeEnsembleClassifier <
        nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [1, 0, 0],
        nodes_values = [0.5, 0.0, 0.0], nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0],
        class_treeids = [0, 0, 0, 0], class_nodeids = [1, 1, 2, 2], class_ids = [0, 1, 0, 2],
        class_weights = [0.75, 0.25, 0.125, 0.875], classlabels_strings = ["cow", "bee", "ant"],
        post_transform = "NONE"> (x)
    maps = ai.onnx.ml.ZipMap <classlabels_strings = ["cow", "bee", "ant"]> (p)
}"""


def _outputs(case: str) -> tuple[ModelProto, np.ndarray, list[str]]:
    """A model, inputs, and tensors whose channels are read with its outputs."""
    if case in {"fashion_cnn", "fashion_resnet"}:
        pictures = (models.fashion_samples()[0][:7, np.newaxis] / 255).astype(np.float32)
        return load(models.path(case)).proto, pictures, []
    if case == "char_transformer":
        texts = models.sentences()["in_distribution"][:5]
        return load(models.path(case)).proto, np.stack([models.encode(text)[:20] for text in texts]), []
    if case == "labels and maps":
        return small_models.build(LABELLED, domains=("ai.onnx.ml",)), small_models.normal(7, 4), []
    if case == "one at a time":
        return small_models.detector(), small_models.normal(6, 5, 4, seed=3), []
    if case == "fixed batch":
        return small_models.classifier(1), small_models.images(5), ["relu1"]
    return small_models.classifier(), small_models.images(7), ["relu1", "logits"]


@pytest.mark.parametrize(
    "case",
    [
        "fashion_cnn", "fashion_resnet", "char_transformer", "labels and maps", "one at a time", "fixed batch",
        "tensors, too",
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch_size", [None, 2])
def test_outputs_are_those_of_the_model_itself(save: Save, case: str, batch_size: int | None) -> None:
    model, batch, tensors = _outputs(case)
    if case == "fixed batch":
        batch_size = None
    reader = ChannelReader(load(save(model)), tensors, outputs=True, provider="cpu", batch_size=batch_size)
    found = reader.read(batch)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert set(found.outputs) == set(names)
    assert set(found.statistics) == set(tensors)
    for i in range(len(batch)):
        alone = session.run(None, {session.get_inputs()[0].name: batch[i : i + 1]})
        for name, expected in zip(names, alone, strict=True):
            one = found.outputs[name][i]
            if isinstance(expected, list):  # Maps become rows in the order of their keys.
                expected = np.array([[row[key] for key in sorted(row)] for row in expected])  # noqa: PLW2901
            if expected.dtype == object:
                assert [one] == expected.tolist()
            else:
                np.testing.assert_allclose(
                    np.reshape(one, expected.shape), expected, rtol=1e-4, atol=1e-5, strict=False
                )


def test_outputs_that_mix_the_inputs_of_a_fixed_batch_are_left_out(save: Save) -> None:
    graph = """g (float[2, 4] x) => (float[2, 4] y, float[1, 4] all) {
        y = Relu (x)  all = ReduceMean <axes = [0]> (y) }"""
    reader = ChannelReader(
        load(save(small_models.build(graph))), [], outputs=True, batch_axis=0, provider="cpu"
    )
    batch = small_models.normal(5, 4)
    found = reader.read(batch)
    assert set(found.outputs) == {"y"}
    np.testing.assert_array_equal(found.outputs["y"], np.maximum(batch, 0))
    assert "'all' is left out" in reader.batching_note


def test_random_models_are_noticed(save: Save) -> None:
    graph = "g (float[N, 4] x) => (float[N, 4] y) { e = RandomNormalLike (x)  y = Add (x, e) }"
    for text, operators in ((graph, ("RandomNormalLike",)), (graph.replace("RandomNormalLike", "Neg"), ())):
        reader = ChannelReader(load(save(small_models.build(text))), [], outputs=True, provider="cpu")
        reader.read(small_models.normal(5, 4))
        assert reader.random_operators == operators
