"""What came of a gate in words that all outputs of a check share."""

from __future__ import annotations

from onnx_ood.audits.check.result import GateResult


def printable(text: str) -> str:
    """A text on one line: names of files and tensors are strangers', and formats forbid some characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def sentence(gate: GateResult) -> str:
    """What happened, in one line: the gate, how it ended, and why."""
    ended = "ended in an error" if gate.outcome == "error" else gate.outcome
    return f"{gate.title} of {gate.model} {ended}" + (f": {gate.reason}" if gate.reason else "")


def explanation(gate: GateResult) -> list[str]:
    """Expected, found, interval, what to try and notes, a line each."""
    inputs = f" ({gate.interval} at 95%, {gate.inputs:,} inputs)" if gate.interval and gate.inputs else ""
    return [
        f"expected: {gate.expected}",
        f"found: {gate.shown}{inputs}",
        *([f"try: {gate.advice}"] if gate.advice else []),
        *(f"note: {note}" for note in gate.notes),
    ]
