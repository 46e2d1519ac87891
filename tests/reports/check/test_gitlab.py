"""GitLab's code-quality report against its documentation."""

from __future__ import annotations

import json

import jsonschema
from check_results import ALL, BROKEN, GOOD, check_result, gate_result

from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.gitlab import to_gitlab
from onnx_ood.reports.check.sarif import to_sarif

# What GitLab documents for code quality: each of these is required, the severities are those five.
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string"},
            "check_name": {"type": "string"},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./)"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def test_gitlab_is_as_documented() -> None:
    issues = json.loads(to_gitlab(ALL))
    jsonschema.validate(issues, GITLAB)
    assert [issue["severity"] for issue in issues] == ["major", "minor"]
    assert [issue["location"]["lines"]["begin"] for issue in issues] == [7, 12]
    assert len({issue["fingerprint"] for issue in issues}) == 2
    assert json.loads(to_gitlab(GOOD)) == []
    broken = json.loads(to_gitlab(BROKEN))
    jsonschema.validate(broken, GITLAB)
    assert [issue["severity"] for issue in broken] == ["major", "major", "major", "minor"]


def test_fingerprints_are_those_of_gates_wherever_they_stand() -> None:
    """The same when lines, outcomes and reasons change; others for another gate, model or file."""

    def prints(result: CheckResult) -> list[tuple[str, str]]:
        alerts = json.loads(to_sarif(result))["runs"][0]["results"]
        # The name that GitHub's code scanning goes by.
        named = [alert["partialFingerprints"]["primaryLocationLineHash"] for alert in alerts]
        return list(
            zip(named, [issue["fingerprint"] for issue in json.loads(to_gitlab(result))], strict=True)
        )

    first = prints(
        check_result(gate_result("failed"), gate_result("failed", model="two"), gate_result("failed", "size"))
    )
    moved = prints(
        check_result(
            gate_result("error", line=99),
            gate_result("not_evaluated", model="two"),
            gate_result("failed", "size"),
        )
    )
    elsewhere = prints(check_result(gate_result("failed"), file="other.toml"))
    assert first == moved
    for kind in zip(*first, *elsewhere, strict=True):
        assert len(set(kind)) == 4
