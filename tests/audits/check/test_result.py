"""Results of checks as text, and exit codes by the documented table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from check_results import check_result, gate_result

from onnx_ood.audits.check.result import EXIT_CODES, format_value

DOCS = Path(__file__).parents[3] / "docs"


def test_exit_codes_are_those_of_the_docs() -> None:
    """A row of the page's table of exit codes names the outcome, its code first."""
    rows = re.findall(r"^\| (\d) \| (.*?) \|$", (DOCS / "ci.md").read_text(encoding="utf-8"), re.MULTILINE)
    codes = {int(code): text for code, text in rows}
    assert set(EXIT_CODES.values()) <= set(codes)
    assert EXIT_CODES == {"error": 2, "failed": 1, "not_evaluated": 3, "passed": 0}
    # In order of precedence: the first that is the outcome of a gate.
    assert list(EXIT_CODES) == ["error", "failed", "not_evaluated", "passed"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-1234567.0, "-1,234,567"),
        (999999999999999.0, "999,999,999,999,999"),
        (1e15, "1e+15"),
        (-1e15, "-1e+15"),
        (2.5, "2.5"),
        (0.00012345678, "0.0001235"),
        (12345.678, "1.235e+04"),
        ("cuda", "cuda"),
    ],
)
def test_whole_numbers_are_written_in_full_and_others_with_four_digits(value: float | str, text: str) -> None:
    assert format_value(value) == text


def test_values_and_intervals_as_text() -> None:
    passed, missing = gate_result("passed"), gate_result("not_evaluated")
    assert (passed.shown, passed.interval) == ("0.25", "0.125 to 0.5")
    assert (missing.shown, missing.interval) == ("-", "")
    assert passed.model_copy(update={"found": ("a", "b", "c")}).shown == "3 types"
    for side in ("low", "high"):
        assert passed.model_copy(update={side: None}).interval == ""
    assert passed.model_copy(update={"low": 0.0}).interval == "0 to 0.5"


@pytest.mark.parametrize(
    ("outcomes", "summary"),
    [
        (["passed", "passed"], "0 failed, 0 not evaluated, 2 passed"),
        (["failed", "not_evaluated", "passed"], "1 failed, 1 not evaluated, 1 passed"),
        (["error", "passed"], "1 error, 0 failed, 0 not evaluated, 1 passed"),
        (["error", "error"], "2 errors, 0 failed, 0 not evaluated, 0 passed"),
    ],
)
def test_gates_are_counted_by_outcome(outcomes: list[str], summary: str) -> None:
    assert check_result(*map(gate_result, outcomes)).summary == summary


def test_a_problem_is_said_once_for_each_model() -> None:
    gates = [gate_result("error"), gate_result("error", title="other"), gate_result("error", model="two")]
    problems = check_result(*gates, gate_result("failed")).problems
    assert [problem.partition(":")[0] for problem in problems] == ["one", "two"]
    assert check_result(gate_result("failed")).problems == ()


def test_the_table_has_a_row_per_gate() -> None:
    result = check_result(gate_result("failed", "size"), gate_result("passed"))
    frame = result.to_dataframe()
    assert frame["title"].tolist() == ["size", "auroc of auto"]
    assert frame["outcome"].tolist() == ["failed", "passed"]
