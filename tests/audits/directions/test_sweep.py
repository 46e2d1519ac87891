"""Drops of a sweep against the reference evaluator in float64."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from onnx.reference import ReferenceEvaluator

from onnx_ood.audits.directions.settings import COPIES
from onnx_ood.audits.directions.sweep import Sweep
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.graph import select
from onnx_ood.inputs import open_inputs
from onnx_ood.perturb import FAMILIES, draw

IMAGES = small_models.images(2)
SCALES = (0.25, 1.0)


def sweep(save, preprocess: str | None = None) -> Sweep:
    path = save(small_models.classifier())
    prepared = prepare_model(path, open_inputs(IMAGES), preprocess=preprocess)
    probes = select(prepared.model, ["relu1", "logits"])
    return Sweep(prepared, probes, SCALES, seed=5, provider="cpu", batch_size=None)


def test_drops_are_those_of_each_noise_scale_and_copy(save) -> None:
    swept = sweep(save)
    assert swept.noises == tuple(FAMILIES)
    found = swept.read(IMAGES)
    assert found.shape == (2, len(FAMILIES), 2, max(COPIES), 2)
    proto = small_models.marked(small_models.classifier(dtype="float64"), ["relu1"])
    evaluator = ReferenceEvaluator(proto)

    def activations(values: np.ndarray) -> list[np.ndarray]:
        logits, relu = evaluator.run(None, {"image": values[np.newaxis].astype(np.float64)})
        return [relu.ravel(), logits.ravel()]

    clean = activations(IMAGES[1])
    for place, noise in enumerate(FAMILIES):
        for level, scale in enumerate(SCALES):
            drawn = (scale * draw(noise, (3, 8, 8), max(COPIES), 5)[3]).astype(np.float32)
            for probe, (a, b) in enumerate(zip(clean, activations(IMAGES[1] + drawn), strict=True)):
                drop = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                assert found[1, place, level, 3, probe] == pytest.approx(
                    max(drop, swept.floor[probe]), rel=1e-3
                )


def test_pictures_are_swept_with_smooth_noise_too(save) -> None:
    assert sweep(save, "unit,RGB").noises[-1] == "pink"


def test_batches_are_joined_and_selected(save) -> None:
    swept = sweep(save)
    one = np.arange(2 * len(FAMILIES) * 2 * max(COPIES) * 2, dtype=float)
    one = one.reshape(2, len(FAMILIES), 2, max(COPIES), 2)
    both = swept.joined([one, one])
    np.testing.assert_array_equal(swept.rows(both, np.array([3, 0])), one[[1, 0]])
    assert swept.joined([]).shape == (0, *one.shape[1:])
    both[2, 0, 0, 0, 0] = np.inf
    np.testing.assert_array_equal(swept.finite(both), [True, True, False, True])
