"""Annotations of GitHub Actions: lines on standard output that its runner reads."""

from __future__ import annotations

from hashlib import sha256

from onnx_ood._printable import shown
from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.gate_text import explanation, outcome_text, sentence
from onnx_ood.reports.check.repository import repository_path
from onnx_ood.reports.formats.json import to_json


def to_annotations(result: CheckResult) -> str:
    """Render a check: an error for each gate with an error or a failure, a warning for each not evaluated.

    Args:
        result: The result.

    Returns:
        Lines; empty if all gates passed.
    """
    lines = []
    for gate in result.gates:
        if gate.outcome != "passed":
            kind = "warning" if gate.outcome == "not_evaluated" else "error"
            title = shown(f"{gate.title} {outcome_text(gate.outcome)}")
            where = f"file={_value(repository_path(result.file))},line={gate.line},title={_value(title)}"
            text = "\n".join(map(shown, [sentence(gate), *explanation(gate)]))
            lines.append(f"::{kind} {where}::{_message(text)}\n")
    return "".join(lines)


def muted(result: CheckResult, text: str) -> str:
    """Enclose a text in markers, so that the runner takes no line of it as a command.

    The text may quote names in a model, which are untrusted and wrapped at any character. The end marker must not be
    predictable by their author: it is a hash of the whole result, which includes the hash of the model.

    Args:
        result: The result.
        text: Whole lines.
    """
    mark = sha256(to_json(result).encode()).hexdigest()
    return f"::stop-commands::{mark}\n{text}::{mark}::\n"


def _message(text: str) -> str:
    """Escape a message like the runner's own library."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    """Escape the value of a property like the runner's own library."""
    return _message(text).replace(":", "%3A").replace(",", "%2C")
