"""Gates as text, shared by all reports of a check."""

from __future__ import annotations

from onnx_ood.audits.check.result import CheckResult, GateResult, Outcome
from onnx_ood.results.note_order import consequence


def outcome_text(outcome: Outcome) -> str:
    """Write an outcome in words.

    >>> outcome_text("not_evaluated")
    'not evaluated'
    """
    return outcome.replace("_", " ")


def sentence(gate: GateResult) -> str:
    """Write the gate, its outcome and the reason on one line."""
    ended = "ended in an error" if gate.outcome == "error" else outcome_text(gate.outcome)
    return f"{gate.title} of {gate.model} {ended}" + (f": {gate.reason}" if gate.reason else "")


def ordered_notes(result: CheckResult) -> list[str]:
    """Sort the notes of a check and of its models, which begin with the model's name: the gravest first."""
    notes = [("", note) for note in result.notes]
    notes += [(f"{one.name}: ", note) for one in result.models for note in one.notes]
    return [f"{name}{note}" for name, note in sorted(notes, key=lambda one: consequence(one[1]))]


def explanation(gate: GateResult) -> list[str]:
    """Bounds, value, interval, advice and notes, one line each."""
    inputs = f" ({gate.interval} at 95%, {gate.inputs:,} inputs)" if gate.interval and gate.inputs else ""
    return [
        f"expected: {gate.expected}",
        f"found: {gate.shown}{inputs}",
        *([f"try: {gate.advice}"] if gate.advice else []),
        *(f"note: {note}" for note in gate.notes),
    ]
