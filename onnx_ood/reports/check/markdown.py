"""Markdown: a page for people, and the summary of a step in GitHub Actions."""

from __future__ import annotations

from onnx_ood._printable import shown
from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult, Outcome
from onnx_ood.reports.check.gate_text import explanation, ordered_notes, outcome_text

_MARKS: dict[Outcome, str] = {"error": "❗", "passed": "✅", "failed": "❌", "not_evaluated": "❔"}
# Characters with a meaning in Markdown, or in HTML inside it.
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#~"} | {"&": "&amp;"})


def to_check_markdown(result: CheckResult) -> str:
    """Render a check.

    Args:
        result: The result.
    """
    lines = [
        f"## {_MARKS[result.status]} onnx-ood check: {outcome_text(result.status)}",
        "",
        f"{result.summary}, according to {_plain(result.file)}.",
        "",
        "| outcome | gate | model | expected | found | 95% interval | inputs |",
        "|---|---|---|---|--:|--:|--:|",
        *map(_row, result.gates),
    ]
    for gate in result.gates:
        if gate.outcome != "passed":
            lines += ["", f"**{_plain(gate.title)} of {_plain(gate.model)}** (line {gate.line}): "]
            lines[-1] += _plain(gate.reason)
            lines += ["", *(f"- {_plain(line)}" for line in explanation(gate))]
    lines += ["", "| model | file | sha256 | ran on |", "|---|---|---|---|"]
    lines += [
        f"| {_plain(one.name)} | {_plain(one.path)} | {_hash(one)} | {one.provider or 'not run'} |"
        for one in result.models
    ]
    if notes := ordered_notes(result):
        lines += ["", *(f"- {_plain(note)}" for note in notes)]
    versions = result.environment
    lines += ["", f"onnx_ood {versions.onnx_ood}, onnxruntime {versions.onnxruntime}, {versions.platform}"]
    return "\n".join(lines) + "\n"


def _row(gate: GateResult) -> str:
    cells = [
        f"{_MARKS[gate.outcome]} {outcome_text(gate.outcome)}",
        *map(_plain, (gate.title, gate.model, gate.expected, gate.shown, gate.interval)),
        f"{gate.inputs:,}" if gate.inputs else "",
    ]
    return f"| {' | '.join(cells)} |"


def _hash(one: CheckedModelResult) -> str:
    return f"`{one.model.sha256[:12]}`" if one.model else "not read"


def _plain(text: str) -> str:
    return shown(text).translate(_SPECIAL)
