"""Gates as text, shared by all reports of a check."""

from __future__ import annotations

from onnx_ood.audits.check.result import GateResult, Outcome


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


def explanation(gate: GateResult) -> list[str]:
    """Bounds, value, interval, advice and notes, one line each."""
    inputs = f" ({gate.interval} at 95%, {gate.inputs:,} inputs)" if gate.interval and gate.inputs else ""
    return [
        f"expected: {gate.expected}",
        f"found: {gate.shown}{inputs}",
        *([f"try: {gate.advice}"] if gate.advice else []),
        *(f"note: {note}" for note in gate.notes),
    ]
