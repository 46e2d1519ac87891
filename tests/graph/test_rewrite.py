"""Making inner tensors outputs changes nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph import with_outputs


def run(model: ModelProto, feeds: dict[str, np.ndarray], optimised: bool = True) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_names_are_appended_in_the_order_asked_for() -> None:
    marked = with_outputs(small_models.classifier(), ["relu2", "conv1"])
    assert [value.name for value in marked.graph.output] == ["logits", "relu2", "conv1"]


def test_outputs_and_repetitions_are_not_added_again() -> None:
    marked = with_outputs(small_models.classifier(), ["logits", "relu1", "relu1"])
    assert [value.name for value in marked.graph.output] == ["logits", "relu1"]


@pytest.mark.parametrize(
    "make", [small_models.classifier, small_models.with_if, small_models.sequence, small_models.contrib]
)
def test_only_outputs_differ_and_the_original_stays(make: Callable[[], ModelProto]) -> None:
    model = make()
    before = model.SerializeToString(deterministic=True)
    marked = with_outputs(model, [name for node in model.graph.node for name in node.output])
    assert model.SerializeToString(deterministic=True) == before
    del marked.graph.output[len(model.graph.output) :]
    assert marked.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("optimised", [False, True])
def test_the_models_own_outputs_stay_what_they_were(optimised: bool) -> None:
    model, feeds = small_models.classifier(), {"image": small_models.images(4)}
    marked = with_outputs(model, ["conv1", "relu1", "conv2", "relu2", "pooled", "flat"])
    plain, watched = run(model, feeds, optimised)["logits"], run(marked, feeds, optimised)["logits"]
    # Without fusions, which a kept tensor prevents, there is nothing that could differ.
    np.testing.assert_allclose(watched, plain, rtol=1e-5 if optimised else 0, atol=1e-6 if optimised else 0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_every_tensor_of_a_random_graph_is_what_the_reference_says(seed: int) -> None:
    model = small_models.random_net(seed)
    feeds = {"x": small_models.normal(3, 4, seed=seed + 1)}
    names = [name for node in model.graph.node for name in node.output]
    marked = with_outputs(model, names)
    evaluator = ReferenceEvaluator(model)
    expected = dict(zip(names, evaluator.run(names, feeds), strict=True))
    for name, value in run(marked, feeds).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
