"""A check as annotations of GitHub Actions: lines that the runner reads from standard output."""

from __future__ import annotations

from hashlib import sha256

from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.gate_text import explanation, printable, sentence
from onnx_ood.reports.files import to_json


def to_annotations(result: CheckResult) -> str:
    """Renders it: an error for each gate that failed or ended in one, a warning for each that was not evaluated.

    Args:
        result: The check.

    Returns:
        Lines; empty where all gates passed.
    """
    lines = []
    for gate in result.gates:
        if gate.outcome != "passed":
            kind = "warning" if gate.outcome == "not evaluated" else "error"
            title = printable(f"{gate.title} {gate.outcome}")
            where = f"file={_value(result.file)},line={gate.line},title={_value(title)}"
            text = "\n".join(map(printable, [sentence(gate), *explanation(gate)]))
            lines.append(f"::{kind} {where}::{_message(text)}\n")
    return "".join(lines)


def unheard(result: CheckResult, text: str) -> str:
    """A text between marks that keep the runner from taking lines of it for commands.

    The report quotes names that a model's maker chose, and a long one may be broken anywhere. The mark that ends it has
    to be one that they can't have written: that of the whole result, which holds the hash of what they wrote.

    Args:
        result: The check.
        text: What people are to read, whole lines.
    """
    mark = sha256(to_json(result).encode()).hexdigest()
    return f"::stop-commands::{mark}\n{text}::{mark}::\n"


def _message(text: str) -> str:
    """As the runner's own library escapes what follows the second mark."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    """As it escapes values of properties."""
    return _message(text).replace(":", "%3A").replace(",", "%2C")
