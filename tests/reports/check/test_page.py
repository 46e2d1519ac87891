"""The page of the check audit, taken apart by a parser of other people's."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from page_parts import assert_loads_nothing, data, find, island, parsed, text

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.page import check_page

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
NASTY = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CheckResult:
    """Gates of all outcomes, on a model whose name wants to break the page."""
    file = tmp_path_factory.mktemp("check") / "onnx-ood.toml"
    file.write_text(
        f"""
baseline = "none-yet.json"
[models."{NASTY}"]
path = '{models.path("fashion_cnn")}'
[[gates]]
metric = "opset"
min = 99
[[gates]]
metric = "operators"
forbid = ["Loop"]
[[gates]]
metric = "size"
baseline = true
[[gates]]
metric = "nan-weights"
max = 0
"""
    )
    return onnx_ood.check(file)


def test_all_gates_are_there_with_their_outcomes(result: CheckResult) -> None:
    page = check_page(result)
    assert_loads_nothing(page)
    tree = parsed(page)
    assert CheckResult.model_validate_json(island(tree)) == result
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "check.json").read_text()))
    rows = [[text(cell) for cell in row] for row in find(find(tree, "table")[0], "tr")][1:]
    assert [row[0] for row in rows] == [gate.title for gate in result.gates]
    assert {row[1] for row in rows} == {NASTY}
    for row, gate in zip(rows, result.gates, strict=True):
        assert row[2].endswith(gate.outcome.replace("_", " "))
        assert row[7] == str(gate.line)
    whole = text(tree)
    assert f"Failed: {result.failed} failed, {result.not_evaluated} not evaluated" in whole
    for gate in result.gates:
        assert gate.outcome == "passed" or gate.reason in whole


@pytest.mark.parametrize(("failed", "missing", "headline"), [(0, 0, "Passed"), (0, 1, "Not evaluated")])
def test_the_headline_is_the_status(result: CheckResult, failed: int, missing: int, headline: str) -> None:
    wanted = {"passed": 9, "failed": failed, "not_evaluated": missing}
    gates = tuple(gate for gate in result.gates if wanted[gate.outcome])
    status = "not_evaluated" if missing else "passed"
    page = check_page(
        result.model_copy(
            update={"gates": gates, "status": status, "failed": failed, "not_evaluated": missing}
        )
    )
    (first,) = find(parsed(page), "p", **{"class": "headline warning" if missing else "headline"})
    assert text(first).startswith(headline)


def test_a_model_that_cannot_be_read_has_a_page_without_facts(tmp_path: Path) -> None:
    (tmp_path / "onnx-ood.toml").write_text(
        '[models.gone]\npath = "gone.onnx"\n[[gates]]\nmetric = "opset"\nmin = 1\n'
    )
    found = onnx_ood.check(tmp_path / "onnx-ood.toml")
    page = check_page(found)
    assert_loads_nothing(page)
    tree = parsed(page)
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "check.json").read_text()))
    (headline,) = find(tree, "p", **{"class": "headline alarm"})
    assert text(headline) == "Error: 1 error, 0 failed, 0 not evaluated, 0 passed"
    assert "gone.onnx, which cannot be read" in text(tree)
    assert found.gates[0].reason.endswith("gone.onnx: no such file")
    assert found.gates[0].reason in text(tree)


def test_files_of_weights_are_named_with_their_hashes(result: CheckResult) -> None:
    (model,) = result.models
    named = model.model_copy(update={"external_data": {NASTY: "ab" * 32}})
    tree = parsed(check_page(result.model_copy(update={"models": (named,)})))
    assert f"{NASTY}, SHA-256 {'ab' * 32}" in text(tree)
