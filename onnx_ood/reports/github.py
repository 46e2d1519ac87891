"""A check as annotations of GitHub Actions: lines that the runner reads from standard output."""

from __future__ import annotations

from onnx_ood.audits.check_result import CheckResult
from onnx_ood.reports.gate_text import explanation, printable, sentence


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


def _message(text: str) -> str:
    """As the runner's own library escapes what follows the second mark."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _value(text: str) -> str:
    """As it escapes values of properties."""
    return _message(text).replace(":", "%3A").replace(",", "%2C")
