"""SARIF against its schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from check_results import ALL, BROKEN, GOOD, check_result, gate_result

from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.sarif import to_sarif

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "result", [ALL, GOOD, BROKEN, check_result(gate_result("failed"), file="/tmp/a b/onnx-ood.toml")]
)
def test_sarif_is_valid(result: CheckResult) -> None:
    schema = json.loads((HERE / "sarif" / "sarif-schema-2.1.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    validator(schema, format_checker=validator.FORMAT_CHECKER).validate(json.loads(to_sarif(result)))


def test_sarif_points_at_the_gates_that_are_not_passed() -> None:
    (run,) = json.loads(to_sarif(ALL))["runs"]
    failed, unevaluated = run["results"]
    assert (failed["level"], unevaluated["level"]) == ("error", "warning")
    place = failed["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "some%20folder/onnx-ood.toml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 7}
    assert run["tool"]["driver"]["rules"][failed["ruleIndex"]]["id"] == failed["ruleId"] == "auroc"
    assert failed["partialFingerprints"] != unevaluated["partialFingerprints"]
    assert json.loads(to_sarif(GOOD))["runs"][0]["results"] == []
    (absolute,) = json.loads(to_sarif(check_result(gate_result("failed"), file="/tmp/x.toml")))["runs"][0][
        "results"
    ]
    assert absolute["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///tmp/x.toml"}


def test_sarif_says_that_a_run_broke() -> None:
    (good,) = json.loads(to_sarif(ALL))["runs"]
    assert good["invocations"] == [{"executionSuccessful": True, "exitCodeDescription": "failed"}]
    (broken,) = json.loads(to_sarif(BROKEN))["runs"]
    (invocation,) = broken["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCodeDescription"]) == (False, "error")
    # One model can't be read: that is told once, however many gates it has.
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert told["message"]["text"].startswith("gone: because of")
    assert [one["level"] for one in broken["results"]] == ["error", "error", "error", "warning"]
