"""Detectors that do not apply or lack references are never dropped silently."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models as small

import onnx_ood
from onnx_ood import models
from onnx_ood.detectors import Features, find_feature_sources
from onnx_ood.evidence.choice import choose_detectors, without_unlearned
from onnx_ood.evidence.references import ReferenceSet
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import load


@pytest.fixture(scope="module")
def cnn():
    return load(models.path("fashion_cnn"))


def test_a_named_detector_that_does_not_apply_is_refused(cnn, save):
    folded = load(models.path("fashion_resnet"))
    with pytest.raises(UsageError, match="detector batch_norm does not apply to"):
        choose_detectors(folded, ("energy", "batch_norm"))
    chosen, reasons = choose_detectors(folded, ())
    assert "batch_norm" in reasons
    assert "batch_norm" not in [detector.name for detector in chosen]
    # A model without class scores, layers or weights leaves no detector at all.
    nothing = save(small.build("net (int64[N, 3] x) => (int64[N, 3] y) { y = Add (x, x) }"))
    with pytest.raises(UsageError, match="does not apply to"):
        choose_detectors(load(nothing), ())


def test_the_reason_of_the_runtime_comes_before_a_detector_that_does_not_apply(save) -> None:
    graph = onnx.parser.parse_graph("net (float[N, 3] x) => (float[N, 3] y) { y = unknown.domain.Op (x) }")
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("unknown.domain", 1)]
    model = load(save(onnx.helper.make_model(graph, ir_version=8, opset_imports=opsets)))
    with pytest.raises(ModelError, match=r"onnxruntime cannot load it: .*Op"):
        choose_detectors(model, ("auto",))


def test_names_are_kept_in_order_and_once(cnn):
    chosen, reasons = choose_detectors(cnn, ("msp", "energy", "msp"))
    assert [detector.name for detector in chosen] == ["msp", "energy"]
    assert reasons == {}


def test_detectors_without_references_are_named_or_refused(cnn):
    chosen, _ = choose_detectors(cnn, ("energy", "knn"))
    info = find_feature_sources(cnn).info
    none = ReferenceSet("none")
    left, reasons = without_unlearned(chosen, info, none, named_detectors=False)
    assert [detector.name for detector in left] == ["energy"]
    assert set(reasons) == {"knn"}
    with pytest.raises(UsageError, match="detector knn requires references"):
        without_unlearned(chosen, info, none, named_detectors=True)
    # Without names, but with no other detector left: an empty result would say nothing.
    with pytest.raises(UsageError, match="detector knn requires references"):
        without_unlearned(chosen[1:], info, none, named_detectors=False)


@pytest.mark.parametrize("audit", ["score", "bench"])
def test_audits_refuse_a_named_detector_that_lacks_references(audit):
    images = np.asarray(models.fashion_samples()[0][:12])
    with pytest.raises(UsageError, match="detector knn requires references"):
        getattr(onnx_ood, audit)(models.path("fashion_cnn"), images, detectors=("energy", "knn"))


def test_references_that_do_not_suffice_are_named_or_refused(cnn):
    """32 references of ten classes: a class has 10 in none of the draws."""
    chosen, _ = choose_detectors(cnn, ("energy", "rmds", "react"))
    info = find_feature_sources(cnn).info
    rng = np.random.default_rng(0)
    few = ReferenceSet("given", Features(logits=rng.normal(size=(32, 10)), features=np.ones((32, 64))))
    left, reasons = without_unlearned(chosen, info, few, named_detectors=False)
    assert [detector.name for detector in left] == ["energy", "react"]
    assert list(reasons) == ["rmds"]
    assert reasons["rmds"].startswith("it requires 10 references of each class, as the model predicts them")
    with pytest.raises(UsageError, match="detector rmds cannot learn from these references: it requires 10"):
        without_unlearned(chosen, info, few, named_detectors=True)


def test_bench_says_why_a_class_has_too_few_references():
    images = np.asarray(models.fashion_samples()[0])
    noise = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
    result = onnx_ood.bench(
        models.path("fashion_cnn"),
        images[:12],
        {"noise": noise},
        reference=images[20:52],
        synthetic_ood=False,
        provider="cpu",
    )
    assert {"klm", "rmds", "she"} <= set(result.not_applicable)
    assert "it requires 10 references of each class" in result.not_applicable["klm"]
    assert {"knn", "react", "ras", "nnguide", "weiper"} <= {one.name for one in result.detectors}
