"""Models with the choices that reading their inputs takes."""

from __future__ import annotations

import numpy as np
import pytest
import small_models

from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import InputSource, open_inputs

NOTHING = open_inputs([])
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)


def pictures() -> InputSource:
    return open_inputs(IMAGES)


def test_pictures_are_normalised_as_stated(save) -> None:
    source = pictures()
    prepared = prepare_model(save(small_models.classifier()), source, preprocess="imagenet,stretch")
    assert (prepared.site.name, prepared.fed.name, prepared.other_inputs) == ("image", "image", ())
    assert prepared.preprocessing == prepared.site_preprocessing is not None
    prepared.check(source)
    (batch,) = prepared.reader(source, batch=4)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((IMAGES / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(batch.tensors, expected, atol=1e-5)


def test_an_inner_site_has_no_pixels(save) -> None:
    prepared = prepare_model(save(small_models.classifier()), pictures(), site="relu1", preprocess="unit")
    assert (prepared.site.name, prepared.fed.name) == ("relu1", "image")
    assert prepared.preprocessing is not None
    assert prepared.site_preprocessing is None


def test_pictures_need_a_preprocessing_and_arrays_none(save) -> None:
    prepared = prepare_model(save(small_models.classifier()), NOTHING)
    assert prepared.chosen is None
    with pytest.raises(UsageError, match="inputs are pictures and no preprocessing is known"):
        prepared.check(pictures())
    prepared.check(open_inputs(small_models.images(2)))


def test_a_guess_is_made_on_request_for_pictures_alone(save) -> None:
    assert (
        prepare_model(save(small_models.classifier()), NOTHING, assume_pictures=True).preprocessing
        is not None
    )
    table = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Relu (x) }")
    assert prepare_model(save(table), NOTHING, assume_pictures=True).preprocessing is None
    volume = small_models.build("g (float[N, 5, 6, 7] x) => (float[N, 5, 6, 7] y) { y = Relu (x) }")
    assert prepare_model(save(volume), NOTHING, assume_pictures=True).preprocessing is None


def test_feeds_and_sites_inside_are_noted(save) -> None:
    text = (
        "g (int64[N, 2] k, float m) => (float[N, 2] y) { f = Cast <to = 1> (k) h = Mul (f, m) y = Relu (h) }"
    )
    prepared = prepare_model(save(small_models.build(text)), NOTHING, feeds={"m": "2"})
    assert (prepared.site.name, prepared.fed.name, prepared.other_inputs) == ("f", "k", ("m",))
    assert prepared.notes[0].startswith("The model has no free input of floats; it was nudged at f")
    assert len(prepared.facts.sha256) == 64
