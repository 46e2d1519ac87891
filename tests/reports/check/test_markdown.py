"""Markdown report of a check, and hostile names in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from check_results import ALL, BROKEN, GOOD, WHEN

from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.junit import to_junit
from onnx_ood.reports.check.markdown import to_check_markdown


def test_markdown_has_a_row_for_each_gate_that_nothing_breaks() -> None:
    text = to_check_markdown(ALL)
    table = [line for line in text.splitlines() if line.startswith("| ❌") or line.startswith("| ✅")]
    assert len(table) == 3
    for row in table:
        assert row.replace("\\|", "").count("|") == 8
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\x1b" not in text
    assert "1 failed, 1 not evaluated, 2 passed" in text
    assert "expected: at least 0.9" in text
    broken = to_check_markdown(BROKEN)
    assert broken.splitlines()[0].endswith("onnx-ood check: error")
    assert "2 errors, 1 failed, 1 not evaluated, 0 passed" in broken
    assert "| gone | " in broken
    assert "| not read | cpu |" in broken


@pytest.mark.parametrize("render", [to_check_markdown, lambda result: to_junit(result, WHEN)])
def test_where_a_model_ran_is_said_or_that_it_did_not(render: Callable[[CheckResult], str]) -> None:
    (model,) = GOOD.models
    still = GOOD.model_copy(update={"models": (model.model_copy(update={"provider": None}),)})
    assert "not run" in render(still)
    assert "not run" not in render(GOOD)
    assert "cpu" in render(GOOD)
