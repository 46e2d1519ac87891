"""Making tensors outputs and adding nudges changes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from running import run

import onnx_ood
from onnx_ood.graph import rewrite

Save = Callable[..., Path]


def test_outputs_are_added_in_execution_order_each_once(save: Save) -> None:
    model = onnx_ood.load(save(small_models.classifier()))
    result = rewrite(model, ["relu2", "logits", "conv1", "relu2"])
    assert [value.name for value in result.proto.graph.output] == ["logits", "conv1", "relu2"]
    assert result.outputs == {name: name for name in ("conv1", "relu2", "logits")}


@pytest.mark.parametrize(
    "make", [small_models.classifier, small_models.with_if, small_models.sequence, small_models.contrib]
)
def test_only_outputs_differ_and_the_original_stays(make: Callable[[], ModelProto], save: Save) -> None:
    proto = make()
    before = proto.SerializeToString(deterministic=True)
    model = onnx_ood.load(save(proto))
    marked = rewrite(model, [name for node in proto.graph.node for name in node.output]).proto
    assert model.proto.SerializeToString(deterministic=True) == before
    del marked.graph.output[len(proto.graph.output) :]
    assert marked.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("optimised", [False, True])
def test_the_models_own_outputs_stay_what_they_were(optimised: bool, save: Save) -> None:
    model, feeds = small_models.classifier(), {"image": small_models.images(4)}
    inner = ["conv1", "relu1", "conv2", "relu2", "pooled", "flat"]
    marked = rewrite(onnx_ood.load(save(model)), inner, ["image", "relu1"]).proto
    plain, watched = (
        run(model, feeds, optimised=optimised)["logits"],
        run(marked, feeds, optimised=optimised)["logits"],
    )
    # Without fusions, which a kept tensor prevents, there is nothing that could differ.
    np.testing.assert_allclose(watched, plain, rtol=1e-5 if optimised else 0, atol=1e-6 if optimised else 0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_every_tensor_of_a_random_graph_is_what_the_reference_says(seed: int, save: Save) -> None:
    model = small_models.random_net(seed)
    feeds = {"x": small_models.normal(3, 4, seed=seed + 1)}
    names = [name for node in model.graph.node for name in node.output]
    marked = rewrite(onnx_ood.load(save(model)), names).proto
    evaluator = ReferenceEvaluator(model)
    expected = dict(zip(names, evaluator.run(names, feeds), strict=True))
    for name, value in run(marked, feeds).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


class TestNudges:
    @given(seed=st.integers(0, 10_000), at=st.integers(0, 99))
    @settings(max_examples=40, deadline=None)
    def test_a_nudge_anywhere_is_the_sum_for_all_who_read_it(self, seed: int, at: int, save: Save) -> None:
        """The reference computes what is behind a site from the sum: the nodes before the site are dropped."""
        model = small_models.random_net(seed)
        feeds = {"x": small_models.normal(3, 4, seed=seed + 1)}
        names = ["x", *(name for node in model.graph.node for name in node.output)]
        site = names[at % len(names)]
        everything = (
            dict(zip(names[1:], ReferenceEvaluator(model).run(names[1:], feeds), strict=True)) | feeds
        )
        nudge = small_models.normal(*everything[site].shape, seed=seed + 2)
        result = rewrite(onnx_ood.load(save(model)), names[1:], [site])

        found = run(result.proto, {**feeds, result.inputs[site]: nudge})
        expected = nudged_by_hand(model, everything, site, nudge)
        for name in names[1:]:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4, err_msg=name)

    @given(seed=st.integers(0, 10_000))
    @settings(max_examples=25, deadline=None)
    def test_unfed_nudges_change_no_bit(self, seed: int, save: Save) -> None:
        model = small_models.random_net(seed)
        x = small_models.normal(3, 4, seed=seed + 1)
        x[0] = [-0.0, 0.0, np.inf, np.nan]
        names = [name for node in model.graph.node for name in node.output]
        result = rewrite(onnx_ood.load(save(model)), names, ["x", *names])
        plain = run(small_models.marked(model, names), {"x": x})
        for name, value in run(result.proto, {"x": x}).items():
            assert value.tobytes() == plain[name].tobytes(), name

    def test_minus_zero_stays_minus_zero(self, save: Save) -> None:
        model = small_models.build("g (float[N] x) => (float[N] y) { a = Neg (x) y = Reciprocal (a) }")
        result = rewrite(onnx_ood.load(save(model)), (), ["x", "a"])
        x = np.array([0.0, -0.0], np.float32)
        np.testing.assert_array_equal(run(result.proto, {"x": x})["y"], [-np.inf, np.inf])

    @pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 1), (4, 3, 8, 8)])
    def test_a_nudge_broadcasts(self, shape: tuple[int, ...], save: Save) -> None:
        model, images = small_models.classifier(), small_models.images(4)
        nudge = small_models.normal(*shape)
        result = rewrite(onnx_ood.load(save(model)), (), ["image"])
        found = run(result.proto, {"image": images, result.inputs["image"]: nudge})["logits"]
        expected = run(model, {"image": images + nudge})["logits"]
        np.testing.assert_array_equal(found, expected)

    def test_the_checker_passes_it_and_the_ir_version_stays(self, save: Save) -> None:
        model = small_models.classifier()
        result = rewrite(onnx_ood.load(save(model)), ["relu1"], ["image", "relu1"])
        onnx.checker.check_model(result.proto, full_check=True)
        assert result.proto.ir_version == model.ir_version
        assert result.proto.opset_import == model.opset_import

    def test_in_the_oldest_files_a_nudge_has_to_be_fed(self, save: Save) -> None:
        """Up to IR version 3 onnxruntime takes initializers for constants, whatever is fed."""
        model = small_models.build("g (float[N] x) => (float[N] y) { a = Abs (x) y = Neg (a) }")
        model.ir_version = 3
        result = rewrite(onnx_ood.load(save(model)), (), ["a"])
        onnx.checker.check_model(result.proto, full_check=True)
        x = np.array([1, -2], np.float32)
        found = run(result.proto, {"x": x, result.inputs["a"]: np.array([10], np.float32)})["y"]
        np.testing.assert_array_equal(found, [-11, -12])


def nudged_by_hand(
    model: ModelProto, values: dict[str, np.ndarray], site: str, nudge: np.ndarray
) -> dict[str, np.ndarray]:
    """All tensors by onnx's reference, node by node from what is known before the site."""
    now = {**values, site: values[site] + nudge}
    moved = {site}
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if site not in node.output and moved.intersection(node.input):
            one = onnx.helper.make_model(
                onnx.helper.make_graph(
                    [node],
                    "one",
                    [onnx.ValueInfoProto(name=name) for name in node.input],
                    [onnx.ValueInfoProto(name=name) for name in node.output],
                ),
                opset_imports=model.opset_import,
            )
            results = ReferenceEvaluator(one).run(None, {name: (now | stored)[name] for name in node.input})
            now.update(zip(node.output, results, strict=True))
            moved.update(node.output)
    return now
