"""Nudging a tensor inside a model."""

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.runtime import session as session_module

TOKENS = """
    tokens (int64[N, T] ids) => (float[N, T, 5] logits) {
        vectors = Gather (table, ids)
        size = Shape (vectors)
        mixed = MatMul (vectors, w1)
        hidden = Relu (mixed)
        flat = Reshape (hidden, all)
        back = Reshape (flat, size)
        summed = Add (back, vectors)
        logits = MatMul (summed, w2)
    }
"""


@pytest.fixture(scope="module")
def token_model(save):
    weights = {
        "table": small_models.normal(11, 6, seed=1),
        "w1": small_models.normal(6, 6, seed=2, scale=0.5),
        "w2": small_models.normal(6, 5, seed=3, scale=0.5),
        "all": np.array([-1], dtype=np.int64),
    }
    return save(small_models.build(TOKENS, weights))


IDS = np.random.default_rng(0).integers(0, 11, size=(9, 4))


def with_added_input(path, site):
    """The model with `site` replaced, for all who read it, by site + an added input: made here by hand."""
    model = onnx.load(path)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == site:
                node.input[i] = "moved"
    at = next(i for i, node in enumerate(model.graph.node) if site in node.output)
    model.graph.node.insert(at + 1, onnx.helper.make_node("Add", [site, "added"], ["moved"]))
    model.graph.input.append(onnx.helper.make_tensor_value_info("added", onnx.TensorProto.FLOAT, None))
    return model


def run(model, outputs, feeds):
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in present)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(list(outputs), feeds)


def reference(path, feed, batch, site, probes, nudge):
    """Float64 statistics of one nudge by a graph edited by hand, which runs as a whole for clean and nudged."""
    runs = []
    for added in (np.zeros_like(nudge), nudge):
        model = with_added_input(path, site)
        runs.append(run(model, probes, {feed: batch, "added": added.astype(np.float32)}))
    drops, flips = [], []
    for pair in zip(*runs, strict=True):
        a, b = (x.reshape(len(batch), -1).astype(np.float64) for x in pair)
        u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        drops.append(((u - v) ** 2).sum(axis=1) / 2)
        flips.append(((a > 0) != (b > 0)).sum(axis=1))
    return np.stack(drops, axis=1), np.stack(flips, axis=1)


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_a_token_model_is_nudged_at_its_embedding(token_model, batch_size):
    nudges = small_models.normal(3, 4, 6, seed=7, scale=0.1)
    probes = ("hidden", "summed", "logits")
    measured = onnx_ood.measure(
        token_model,
        IDS,
        probes=probes,
        nudges=nudges,
        site="vectors",
        provider="cpu",
        batch_size=batch_size,
        exact=True,
    )
    assert measured.site == "vectors"
    for k in range(3):
        drops, flips = reference(token_model, "ids", IDS, "vectors", probes, nudges[k])
        np.testing.assert_allclose(measured.cosine_drop()[:, k], drops, rtol=1e-4)
        np.testing.assert_array_equal(measured.flips[:, k], flips)
    vectors = run(onnx.load(token_model), ["vectors"], {"ids": IDS})[0].reshape(9, -1).astype(np.float64)
    np.testing.assert_allclose(measured.site_aa[:, 0], (vectors**2).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", ["fashion_resnet", "fashion_cnn"])
def test_a_real_model_is_nudged_in_the_middle(name):
    path = models.path(name)
    loaded = onnx_ood.load(path)
    relus = [tensor.name for tensor in loaded.tensors if tensor.op == "Relu"]
    site, probes = relus[2], (*relus[3:], "logits")
    batch = models.fashion_samples()[0][:6, np.newaxis].astype(np.float32) / 255
    share = run(onnx.load(path), [site], {"image": batch})[0].shape[1:]
    nudges = small_models.normal(2, *share, seed=4, scale=0.05)
    measured = onnx_ood.measure(
        path, batch, probes=probes, nudges=nudges, site=site, provider="cpu", exact=True
    )
    assert set(measured.probes) == set(probes)
    for k in range(2):
        drops, flips = reference(path, "image", batch, site, measured.probes, nudges[k])
        np.testing.assert_allclose(measured.cosine_drop()[:, k], drops, rtol=1e-4)
        np.testing.assert_array_equal(measured.flips[:, k], flips)
    plain = run(onnx.load(path), ["logits"], {"image": batch})[0]
    np.testing.assert_array_equal(measured.outputs["logits"], plain)


def test_no_nudge_is_no_drop(token_model):
    measured = onnx_ood.measure(
        token_model,
        IDS,
        probes=["hidden", "logits"],
        nudges=np.zeros((2, 4, 6)),
        site="vectors",
        provider="cpu",
    )
    assert (measured.cosine_drop() == 0).all()
    assert (measured.flips == 0).all()


def test_what_lies_before_the_site_runs_once_for_all_copies(token_model, monkeypatch):
    """Counted by the outputs that are asked for: only the whole model gives the site."""
    calls = []
    plain_run = session_module.Session.run

    def counted(self, outputs, feeds):
        calls.append("vectors" in outputs)
        return plain_run(self, outputs, feeds)

    monkeypatch.setattr(session_module.Session, "run", counted)
    whole = []
    for copies in (1, 6):
        calls.clear()
        nudges = small_models.normal(copies, 4, 6, scale=0.1)
        onnx_ood.measure(token_model, IDS, probes="logits", nudges=nudges, site="vectors", provider="cpu")
        whole.append(sum(calls))
        # Behind the site: once clean and once for each copy, besides the trial runs.
        assert len(calls) - sum(calls) >= copies + 1
    assert whole[0] == whole[1]


def test_nudges_have_the_shape_of_the_site(token_model):
    with pytest.raises(UsageError, match=r"nudges must be \[K, 4, 6\] or \[9, K, 4, 6\]"):
        onnx_ood.measure(
            token_model, IDS, probes="logits", nudges=np.zeros((2, 4)), site="vectors", provider="cpu"
        )


def test_own_nudges_agree_with_shared_ones(token_model):
    shared = small_models.normal(2, 4, 6, seed=8, scale=0.1)
    own = np.broadcast_to(shared, (9, 2, 4, 6))
    one, other = (
        onnx_ood.measure(token_model, IDS, probes="logits", nudges=nudges, site="vectors", provider="cpu")
        for nudges in (shared, own)
    )
    np.testing.assert_array_equal(one.dd, other.dd)


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("size", "holds int64.*nearest inner floating-point tensor is 'mixed'"),
        ("ids", "holds int64.*nearest inner floating-point tensor is 'vectors'"),
        ("vector", "is not a tensor of .*nearest names: vectors"),
        (None, "no floating-point input to nudge.*nearest inner floating-point tensor is 'vectors'"),
    ],
)
def test_what_can_t_be_a_site_is_refused_with_a_way_out(token_model, site, words):
    with pytest.raises(UsageError, match=words):
        onnx_ood.measure(
            token_model, IDS, probes="logits", nudges=np.zeros((1, 4, 6)), site=site, provider="cpu"
        )


def test_a_probe_before_the_site_is_refused(token_model):
    with pytest.raises(SelectorError, match="'vectors' does not depend on the site 'hidden'"):
        onnx_ood.measure(
            token_model, IDS, probes="vectors", nudges=np.zeros((1, 4, 6)), site="hidden", provider="cpu"
        )


def test_whole_numbers_are_fed_as_they_are_or_refused(token_model):
    nudges = np.zeros((1, 4, 6))
    same = onnx_ood.measure(
        token_model, IDS.astype(np.int32), probes="logits", nudges=nudges, site="vectors", provider="cpu"
    )
    assert (same.dd == 0).all()
    with pytest.raises(UsageError, match="takes int64, which cannot represent"):
        onnx_ood.measure(
            token_model, IDS + 0.5, probes="logits", nudges=nudges, site="vectors", provider="cpu"
        )


def test_other_inputs_reach_both_sides_of_the_cut(save):
    text = """
        g (float[N, 3] x, float[N, 3] mask, float scale) => (float[N, 3] y) {
            masked = Mul (x, mask)
            a = Sin (masked)
            b = Mul (a, scale)
            y = Mul (b, mask)
        }
    """
    path = save(small_models.build(text))
    x, mask = small_models.normal(5, 3, seed=1), np.abs(small_models.normal(5, 3, seed=2)) + 0.5
    nudge = small_models.normal(1, 3, seed=3, scale=0.2)
    measured = onnx_ood.measure(
        path, x, probes="y", nudges=nudge, site="a", feeds={"mask": mask, "scale": np.float32(3)}, provider="cpu",
        batch_size=2,
    )  # fmt: skip
    # d = nudge · scale · mask, in closed form.
    expected = (nudge.astype(np.float64) * 3 * mask.astype(np.float64)) ** 2
    np.testing.assert_allclose(measured.dd[:, 0, 0], expected.sum(axis=1), rtol=1e-5)


def test_the_noise_floor_and_observer_effect_hold_for_inner_sites(token_model):
    from onnx_ood.graph import select
    from onnx_ood.runtime import Prober

    model = onnx_ood.load(token_model)
    prober = Prober(model, select(model, ["hidden", "logits"]), site="vectors", provider="cpu", exact=True)
    floor = prober.noise_floor(IDS)
    assert floor.shape == (2,)
    assert (floor > 0).all()
    assert (floor < 1e-12).all()
    assert prober.observer_effect(IDS) == 0
    np.testing.assert_array_equal(
        prober.site_values(IDS), run(onnx.load(token_model), ["vectors"], {"ids": IDS})[0]
    )
