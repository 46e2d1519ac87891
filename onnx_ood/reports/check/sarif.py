"""A check as SARIF 2.1.0, for code scanning: a result for each gate that isn't passed, at its line in the file."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.result import CheckResult, GateResult
from onnx_ood.reports.check.gate_text import explanation, printable, sentence

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(result: CheckResult) -> str:
    """Renders it. A rule is a figure; a gate that was not evaluated is a warning.

    What ended in an error is told twice: as a result, because code scanning shows nothing else, and, where the format
    has its place, as a notification of an invocation that did not succeed.

    Args:
        result: The check.

    Returns:
        JSON.
    """
    told = [gate for gate in result.gates if gate.outcome != "passed"]
    rules = sorted({gate.figure for gate in result.gates})
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
        "results": [_result(result, gate, rules.index(gate.figure)) for gate in told],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _invocation(result: CheckResult) -> dict[str, Any]:
    told = [{"level": "error", "message": {"text": printable(problem)}} for problem in result.problems]
    return {
        "executionSuccessful": not told,
        "exitCodeDescription": result.status,
        **({"toolExecutionNotifications": told} if told else {}),
    }


def _rule(name: str) -> dict[str, Any]:
    figure = METRICS[name]
    return {
        "id": name,
        "shortDescription": {"text": f"{figure.meaning[0].upper()}{figure.meaning[1:]}."},
        "help": {"text": f"What to try: {figure.advice}."},
    }


def _result(result: CheckResult, gate: GateResult, rule: int) -> dict[str, Any]:
    # Neither line nor figure: an alert stays the same when the file or the model changes.
    fingerprint = sha256("\n".join((result.file, gate.model, gate.title)).encode()).hexdigest()
    return {
        "ruleId": gate.figure,
        "ruleIndex": rule,
        "level": "warning" if gate.outcome == "not evaluated" else "error",
        "message": {"text": "\n".join(map(printable, [sentence(gate), *explanation(gate)]))},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _location(Path(result.file)),
                    "region": {"startLine": gate.line},
                }
            }
        ],
        "partialFingerprints": {
            "gate/v1": fingerprint,
            # GitHub knows this one alone. Its uploader would make it of the lines of the file, which are the same for
            # all models that a gate is about: their alerts would be taken for one.
            "primaryLocationLineHash": fingerprint,
        },
    }


def _location(path: Path) -> dict[str, str]:
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}
