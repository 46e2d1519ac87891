"""Settings of a directions audit in words."""

from __future__ import annotations

import onnx_ood
from onnx_ood.reports.directions.facts import directions_facts, failures


def test_facts_are_those_of_the_result(result: onnx_ood.DirectionsResult) -> None:
    facts = dict(directions_facts(result))
    assert (facts["model"], facts["site"]) == (result.model.path, "image")
    one = result.sets[0]
    layers, noises, copies = len(result.layers), len(result.noises), len(result.copies)
    assert facts["swept"].startswith(f"{layers} layers; std 0.02, 0.125 in pixel space; ")
    scaled = dict(directions_facts(result.model_copy(update={"space": "feature"})))
    assert "; std 0.02, 0.125 times the spread of each feature; " in scaled["swept"]
    # Each combination of two scales, noises and numbers of copies at each layer.
    assert facts["swept"].endswith(f"{layers * 2 * noises * copies:,} settings per set")
    assert f"{one.name} ({one.inputs})" in facts["sets"]


def test_failures_are_those_of_all_sets(result: onnx_ood.DirectionsResult) -> None:
    assert [one.id.rsplit("/", 1)[-1] for one in failures(result)] == ["broken <i>.png"]
