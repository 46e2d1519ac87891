"""Runs on the host: what is fed, in which order, and how copies are grouped."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from measuring import Save, measure, ready
from onnx.reference import ReferenceEvaluator

from onnx_ood.runtime import PerturbationGroup
from onnx_ood.runtime.batching import layout

IMAGES = small_models.images(5)
NUDGES = 0.1 * small_models.normal(4, 3, 8, 8, seed=3)


def test_passes_of_few_copies_through_stages_change_nothing(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(small_models.classifier())
    whole = measure(path, IMAGES, NUDGES, exact=True)
    monkeypatch.setitem(layout.MAX_STAGE_BYTES, "cpu", 1)
    monkeypatch.setattr("onnx_ood.runtime.host._MAX_COPIES_PER_PASS", 3)
    staged = measure(path, IMAGES, NUDGES, exact=True)
    for field in ("aa", "ad", "dd", "flips", "active", "site_dd"):
        np.testing.assert_array_equal(getattr(staged, field), getattr(whole, field), err_msg=field)


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_groups_get_the_activations_of_the_reference(batch_size: int | None, save: Save) -> None:
    prober = ready(save(small_models.classifier()), "logits", batch_size=batch_size)
    found: dict[tuple[int, int], list[np.ndarray]] = {}

    def reduce(group: PerturbationGroup) -> None:
        assert group.probe == "logits"
        for row, i in enumerate(group.inputs):
            found[i, group.number] = [copy[row] for copy in (*group.sites, *group.values)]

    def nudges(inputs: list[int], number: int) -> list[np.ndarray]:
        return [sign * np.repeat(NUDGES[number][np.newaxis], len(inputs), axis=0) for sign in (-1, 1)]

    prober.run_groups(IMAGES, 2, nudges, reduce)
    evaluator = ReferenceEvaluator(small_models.classifier())
    assert set(found) == {(i, number) for i in range(5) for number in range(2)}
    for (i, number), (below, above, *values) in found.items():
        for site, value, sign in zip((below, above), values, (-1, 1), strict=True):
            expected = IMAGES[i] + sign * NUDGES[number]
            np.testing.assert_allclose(site.ravel(), expected.ravel(), atol=1e-6)
            (logits,) = evaluator.run(None, {"image": expected[np.newaxis]})
            np.testing.assert_allclose(value.ravel(), logits.ravel(), atol=1e-5)


def test_sites_inside_have_the_values_of_the_reference(save: Save) -> None:
    prober = ready(save(small_models.classifier()), "logits", site="relu1")
    evaluator = ReferenceEvaluator(small_models.marked(small_models.classifier(), ["relu1"]))
    _, expected = evaluator.run(None, {"image": IMAGES})
    assert prober.site_shape(IMAGES, {}) == expected.shape[1:]
    np.testing.assert_allclose(prober.site_values(IMAGES, {}), expected, atol=1e-5)
