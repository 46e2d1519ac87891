"""GitLab's code-quality report: one issue per gate not passed, at its line in the file."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from onnx_ood._printable import shown
from onnx_ood.audits.check.result import CheckResult, GateResult
from onnx_ood.reports.check.gate_text import sentence
from onnx_ood.reports.check.repository import repository_path


def to_gitlab(result: CheckResult) -> str:
    """Render a check.

    Args:
        result: The result.

    Returns:
        JSON, an array of issues.
    """
    issues = [_issue(result, gate) for gate in result.gates if gate.outcome != "passed"]
    return json.dumps(issues, indent=2) + "\n"


def _issue(result: CheckResult, gate: GateResult) -> dict[str, Any]:
    advice = f"; try: {gate.advice}" if gate.advice else ""
    return {
        "description": shown(sentence(gate) + advice),
        "check_name": gate.metric,
        "fingerprint": sha256(
            f"{repository_path(result.file)}\n{gate.model}\n{gate.title}".encode()
        ).hexdigest(),
        "severity": "minor" if gate.outcome == "not_evaluated" else "major",
        # GitLab expects paths relative to the repository, without a leading ./
        "location": {"path": repository_path(result.file), "lines": {"begin": gate.line}},
    }
