"""Texts of gates that all reports share."""

from __future__ import annotations

from typing import get_args

import pytest
from check_results import NASTY, gate_result

from onnx_ood.audits.check.result import Outcome
from onnx_ood.reports.check.gate_text import explanation, outcome_text, sentence


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_sentence_names_gate_model_outcome_and_reason(outcome: Outcome) -> None:
    gate = gate_result(outcome)
    text = sentence(gate)
    assert text.startswith("auroc of auto of one ")
    assert outcome_text(outcome) in text
    assert "_" not in outcome_text(outcome)
    assert (NASTY in text) == (outcome != "passed")


def test_an_explanation_has_a_line_for_each_thing_known() -> None:
    assert explanation(gate_result("failed")) == [
        "expected: at least 0.9",
        "found: 0.25 (0.125 to 0.5 at 95%, 40 inputs)",
        "try: look again",
        f"note: {NASTY}",
    ]
    assert explanation(gate_result("error"))[1] == "found: -"
