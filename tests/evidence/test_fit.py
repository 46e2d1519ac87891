"""One pipeline: every audit fits the same detectors to the same references."""

from __future__ import annotations

import numpy as np
import pytest
import small_models as small

import onnx_ood
from onnx_ood import models
from onnx_ood.detectors import find_detector
from onnx_ood.evidence.fit import DetectorPipeline
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.inputs import InputSource, open_inputs

CNN = models.path("fashion_cnn")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.asarray(models.fashion_samples()[0][:60])


def test_fitted_detectors_are_those_of_features_measured_alone(images):
    """References and inputs are measured here by a reader of their own, without the pipeline."""
    source = open_inputs(images[:30])
    prepared = prepare_model(CNN, source)
    settings = onnx_ood.ScoreSettings(provider="cpu")
    pipeline = DetectorPipeline(prepared, ("knn", "energy"), settings)
    fitted = pipeline.fit(pipeline.measure_references(source))
    reader = FeatureReader(prepared.model, ("logits", "features"), provider="cpu")
    known, new = (
        reader.read((part[:, np.newaxis] / 255).astype(np.float32)) for part in (images[:30], images[30:])
    )
    expected = [find_detector(name).fit(reader.info, known)(new) for name in ("knn", "energy")]
    np.testing.assert_allclose(fitted.scores(new), np.stack(expected, axis=1), rtol=1e-5)
    assert (fitted.references.source, len(fitted.references)) == ("given", 30)
    assert list(fitted.by_name) == ["knn", "energy"]


def test_score_and_bench_give_the_same_scores(images):
    """The scores that bench keeps are those by which score ranks."""
    scored = onnx_ood.score(
        CNN, images[30:], reference=images[:30], detectors=("auto", "knn"), copies=1, provider="cpu"
    )
    benched = onnx_ood.bench(
        CNN,
        images[30:],
        images[30:, ::-1],
        reference=images[:30],
        detectors=("auto", "knn"),
        synthetic_ood=False,
        scores=True,
        provider="cpu",
    )
    for detector in benched.detectors:
        column = ("auto", "knn").index(detector.name)
        by_id = {entry.id: entry.scores[column] for entry in scored.inputs}
        assert detector.scores is not None
        kept = [by_id[f"inputs[{i}]"] for i in range(30)]
        np.testing.assert_allclose(detector.scores.id, kept, rtol=1e-6, atol=1e-6)


@pytest.fixture
def models_of_two_inputs(save):
    """A classifier of rows whose second input is a constant, fed, or read from files."""
    weights = {
        "w": small.normal(16, 8, seed=1),
        "v": small.normal(8, 5, seed=2),
        "b": np.zeros(5, np.float32),
    }
    body = "s = Add (x, z) h = MatMul (s, w) a = Relu (h) y = Gemm (a, v, b)"
    fed = save(small.build(f"net (float[N, 16] x, float[N, 16] z) => (float[N, 5] y) {{ {body} }}", weights))
    constant = save(
        small.build(
            f"net (float[N, 16] x) => (float[N, 5] y) {{ {body} }}",
            weights | {"z": np.full((1, 16), 0.5, np.float32)},
        )
    )
    return fed, constant


def test_bench_takes_feeds(models_of_two_inputs):
    """A fed constant gives the metrics of a model that holds the constant; .npz-like mappings do so, too."""
    fed, constant = models_of_two_inputs
    rows, odd, known = (small.normal(20, 16, seed=seed) * scale for seed, scale in ((3, 1), (4, 3), (5, 1)))
    detectors = ("energy", "cosine_drop", "knn")
    expected = onnx_ood.bench(constant, rows, odd, reference=known, detectors=detectors, provider="cpu")
    found = onnx_ood.bench(
        fed, rows, odd, reference=known, detectors=detectors, provider="cpu", site="x", feeds={"z": "0.5"}
    )
    assert found.feeds == {"z": "0.5"}
    assert found.detectors == expected.detectors

    def both(values):
        return {"x": values, "z": np.full((len(values), 16), 0.5, np.float32)}

    each = onnx_ood.bench(
        fed,
        both(rows),
        {"ood": both(odd)},
        reference=both(known),
        detectors=detectors,
        provider="cpu",
        site="x",
    )
    assert each.feeds == {"z": ".npz"}
    assert each.detectors == expected.detectors


def test_an_inner_site_is_nudged_by_detectors(save):
    """Nudging an inner tensor gives the drops of a model that begins there."""
    whole = save(
        small.build("net (float[N, 16] x) => (float[N, 16] y) { s = Neg (x) t = Relu (s) y = Sigmoid (t) }")
    )
    rest = save(small.build("net (float[N, 16] s) => (float[N, 16] y) { t = Relu (s) y = Sigmoid (t) }"))
    rows, odd = small.normal(20, 16, seed=1), small.normal(20, 16, seed=2) * 4
    settings = {"detectors": ("cosine_drop", "flip_rate"), "provider": "cpu"}
    found = onnx_ood.bench(whole, rows, odd, site="s", **settings)
    expected = onnx_ood.bench(rest, -rows, -odd, **settings)
    assert found.site == "s"
    assert found.detectors == expected.detectors


def test_bundled_photos_are_references_for_colour_models_only(images):
    prepared = prepare_model(CNN, open_inputs(images))
    pipeline = DetectorPipeline(prepared, (), onnx_ood.ScoreSettings(provider="cpu"))
    known = pipeline.measure_references(InputSource())
    assert (known.source, known.features) == ("none", None)
    assert "grey pictures" in known.note
    off = DetectorPipeline(prepared, (), onnx_ood.ScoreSettings(provider="cpu", bundled_reference=False))
    assert off.measure_references(InputSource()).note == ""
