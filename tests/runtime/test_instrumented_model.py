"""Instrumented models, whole and in stages, against the reference evaluator."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from measuring import Save
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.exceptions import SelectorError
from onnx_ood.runtime.instrumented_model import InstrumentedModel, _places

PROBES = ("relu1", "relu2", "logits")
IMAGES = small_models.images(3)


def instrumented(save: Save) -> InstrumentedModel:
    model = onnx_ood.load(save(small_models.classifier()))
    site = model.by_name["image"]
    probes = [model.by_name[name] for name in (*PROBES, PROBES[0])]
    return InstrumentedModel(model, site, site, probes, "cpu", exact=False, tf32=False, in_order=True)


def reference() -> dict[str, np.ndarray]:
    proto = small_models.marked(small_models.classifier(), PROBES[:2])
    names = [output.name for output in proto.graph.output]
    return dict(zip(names, ReferenceEvaluator(proto).run(None, {"image": IMAGES}), strict=True))


@pytest.mark.parametrize("limit", [1, 1 << 30])
def test_probes_and_outputs_are_those_of_the_reference_in_any_number_of_stages(
    limit: int, save: Save
) -> None:
    model = instrumented(save)
    assert (model.probes, model.outputs, model.skipped) == (PROBES, ("logits",), {})
    whole = model.run_clean(IMAGES, {})
    model.split({name: array.nbytes for name, array in whole.items()}, limit)
    assert [name for stage in model.stages for name in stage.probes] == list(PROBES)
    assert (len(model.stages) > 1) == (limit == 1)
    found = model.run_clean(IMAGES, {})
    for name, expected in reference().items():
        np.testing.assert_allclose(found[name], expected, atol=1e-5)
    np.testing.assert_array_equal(found["image"], IMAGES)


def test_a_stage_passes_on_what_later_ones_take(save: Save) -> None:
    model = instrumented(save)
    model.split(dict.fromkeys(PROBES, 100), 1)
    known = {"image": IMAGES}
    first, second, *_ = model.stages
    first.run(known, outputs=False)
    assert set(known) == {"relu1"} <= first.later
    assert set(second.takes) <= set(known)


def test_freed_sessions_are_created_again(save: Save) -> None:
    model = instrumented(save)
    model.release()
    assert model.placement == {}
    model.load()
    assert model.placement["CPUExecutionProvider"] > 0
    np.testing.assert_allclose(model.run_clean(IMAGES, {})["logits"], reference()["logits"], atol=1e-5)


def test_probes_are_left_out_until_none_is_left(save: Save) -> None:
    model = instrumented(save)
    model.skip({"relu1": "is empty"})
    assert (model.probes, model.skipped) == (PROBES[1:], {"relu1": "is empty"})
    with pytest.raises(SelectorError, match="none of the selected tensors can be measured; 'relu1' is empty"):
        model.skip(dict.fromkeys(PROBES[1:], "is empty"))


def test_places_keep_stages_within_the_limit_and_pass_on_little() -> None:
    sizes, cuts = dict.fromkeys("abcdef", 10), dict.fromkeys("abcde", 1)
    assert _places(sizes, cuts, 20) == ["b", "d"]
    # Of two places that would do, that with fewer tensors passed on.
    assert _places(sizes, cuts | {"b": 3}, 20) == ["a", "c", "e"]
    assert _places(sizes, {"e": 1}, 20) == ["e"]
    assert _places(sizes, {}, 20) == []
    assert _places(sizes, cuts, 60) == []
