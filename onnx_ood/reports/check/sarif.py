"""SARIF 2.1.0, for code scanning: one result per gate not passed, at its line in the file."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from onnx_ood._printable import shown
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.result import CheckResult, GateResult
from onnx_ood.reports.check.gate_text import explanation, outcome_text, sentence
from onnx_ood.reports.check.repository import repository_path

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(result: CheckResult) -> str:
    """Render a check. Metrics are rules; a gate that was not evaluated is a warning.

    Errors are reported twice: as results, because code scanning shows nothing else, and in the place the format has for
    them, as notifications of an unsuccessful invocation.

    Args:
        result: The result.

    Returns:
        JSON.
    """
    reported = [gate for gate in result.gates if gate.outcome != "passed"]
    rules = sorted({gate.metric for gate in result.gates})
    run = {
        "tool": {
            "driver": {
                "name": "onnx-ood",
                "version": result.environment.onnx_ood,
                "rules": [_rule(name) for name in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(result)],
        "results": [_result(result, gate, rules.index(gate.metric)) for gate in reported],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _invocation(result: CheckResult) -> dict[str, Any]:
    errors = [{"level": "error", "message": {"text": shown(problem)}} for problem in result.problems]
    return {
        "executionSuccessful": not errors,
        "exitCodeDescription": outcome_text(result.status),
        **({"toolExecutionNotifications": errors} if errors else {}),
    }


def _rule(name: str) -> dict[str, Any]:
    metric = METRICS[name]
    return {
        "id": name,
        "shortDescription": {"text": f"{metric.meaning[0].upper()}{metric.meaning[1:]}."},
        "help": {"text": f"What to try: {metric.advice}."},
    }


def _result(result: CheckResult, gate: GateResult, rule: int) -> dict[str, Any]:
    # Without line and value, an alert stays the same when the file or the model changes.
    file = repository_path(result.file)
    fingerprint = sha256("\n".join((file, gate.model, gate.title)).encode()).hexdigest()
    return {
        "ruleId": gate.metric,
        "ruleIndex": rule,
        "level": "warning" if gate.outcome == "not_evaluated" else "error",
        "message": {"text": "\n".join(map(shown, [sentence(gate), *explanation(gate)]))},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _location(Path(file)),
                    "region": {"startLine": gate.line},
                }
            }
        ],
        "partialFingerprints": {
            "gate/v1": fingerprint,
            # The only one GitHub reads. By default its uploader derives it from the lines of the file, which are the
            # same for all models of a gate: their alerts would be merged.
            "primaryLocationLineHash": fingerprint,
        },
    }


def _location(path: Path) -> dict[str, str]:
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}
