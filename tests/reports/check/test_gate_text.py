"""Texts of gates that all reports share."""

from __future__ import annotations

from typing import get_args

import pytest
from check_results import NASTY, check_result, gate_result

from onnx_ood.audits.check.result import Outcome
from onnx_ood.reports.check.gate_text import explanation, ordered_notes, outcome_text, sentence


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_sentence_names_gate_model_outcome_and_reason(outcome: Outcome) -> None:
    gate = gate_result(outcome)
    text = sentence(gate)
    assert text.startswith("auroc of auto of one ")
    assert outcome_text(outcome) in text
    assert "_" not in outcome_text(outcome)
    assert (NASTY in text) == (outcome != "passed")


def test_notes_of_all_models_are_sorted_together() -> None:
    checksum, invalid = (
        "The card m.json has another checksum than the model: ...",
        "p-values of copies are invalid",
    )
    found = check_result(gate_result("passed", model="one"), gate_result("passed", model="two"))
    models = tuple(
        one.model_copy(update={"notes": (note,)})
        for one, note in zip(found.models, (checksum, invalid), strict=True)
    )
    found = found.model_copy(update={"models": models, "notes": ("No baseline yet.",)})
    assert ordered_notes(found) == [f"two: {invalid}", "No baseline yet.", f"one: {checksum}"]


def test_an_explanation_has_a_line_for_each_thing_known() -> None:
    assert explanation(gate_result("failed")) == [
        "expected: at least 0.9",
        "found: 0.25 (0.125 to 0.5 at 95%, 40 inputs)",
        "try: look again",
        f"note: {NASTY}",
    ]
    assert explanation(gate_result("error"))[1] == "found: -"
