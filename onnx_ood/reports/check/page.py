"""HTML page of the check audit."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.check.result import CheckResult, GateResult, Outcome
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, folded, page, table
from onnx_ood.reports._html.provenance import command_block, command_text, model_facts, versions
from onnx_ood.reports.check.gate_text import outcome_text
from onnx_ood.results.note_order import by_consequence

_MARKS: dict[Outcome, str] = {
    "error": "! error",
    "failed": "✗ failed",
    "not_evaluated": "? not evaluated",
    "passed": "✓ passed",
}
_CLASSES: dict[Outcome, str | None] = {
    "error": "alarm",
    "failed": "alarm",
    "not_evaluated": "warning",
    "passed": None,
}
_CONCLUSIONS: dict[Outcome, str] = {
    "passed": "All gates passed. Gates bound the metrics somebody chose; they do not prove that the models are "
    "correct.",
    "error": "A model, or something it needs, could not be read or run, so nothing is known about its gates; the "
    "reasons are below. All other gates were evaluated.",
    "failed": "At least one gate failed. Bounds, measured values and advice are below.",
    "not_evaluated": "No gate failed, but at least one could not be evaluated. That does not count as passed.",
}


def check_page(result: CheckResult) -> str:
    """Render a check as one HTML file that loads nothing.

    Args:
        result: The result.

    Returns:
        The page as text.
    """
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        ("gates", "Gates", _gates(result)),
        ("models", "Models", _models(result)),
        ("settings", "Settings and provenance", _settings(result)),
    ]
    return page(result.file, "check", sections, result, result.environment.onnx_ood)


def _verdict(result: CheckResult) -> Markup:
    return joined(
        element("h1", result.file, id="verdict-name"),
        element(
            "p",
            f"{outcome_text(result.status).capitalize()}: {result.summary}",
            class_=" ".join(filter(None, ("headline", _CLASSES[result.status]))),
        ),
        element("p", _CONCLUSIONS[result.status], class_="conclusion"),
        bullets(result.notes, "notes"),
    )


def _gates(result: CheckResult) -> Markup:
    open_gates = [gate for gate in result.gates if gate.outcome != "passed"]
    heads = [("gate", False), ("model", False), ("outcome", False), ("expected", False), ("found", True)]
    heads += [("95% interval", True), ("inputs", True), ("line", True)]
    rows: list[Sequence[Child]] = [
        (
            gate.title,
            gate.model,
            element("span", _MARKS[gate.outcome], class_=_CLASSES[gate.outcome]),
            gate.expected,
            _found(gate),
            gate.interval or "-",
            f"{gate.inputs:,}" if gate.inputs is not None else "-",
            str(gate.line),
        )
        for gate in result.gates
    ]
    return joined(
        table("All gates, failures first", heads, rows) if rows else None,
        [_explained(gate) for gate in open_gates],
        _noted([gate for gate in result.gates if gate.outcome == "passed" and gate.notes]),
    )


def _found(gate: GateResult) -> Child:
    if isinstance(gate.found, tuple):
        return folded(gate.shown, bullets(gate.found)) if gate.found else "none"
    return gate.shown


def _explained(gate: GateResult) -> Markup:
    """List reason, advice and notes of a gate that did not pass."""
    return joined(
        element(
            "h3",
            element("span", f"{_MARKS[gate.outcome]}: ", class_=_CLASSES[gate.outcome]),
            f"{gate.title} of {gate.model}",
        ),
        fact_list([("why", gate.reason), ("try", gate.advice)]),
        bullets(gate.notes, "notes"),
    )


def _noted(gates: Sequence[GateResult]) -> Markup | None:
    """List notes on gates that passed."""
    if not gates:
        return None
    lines = [f"{gate.title} of {gate.model}: {note}" for gate in gates for note in gate.notes]
    return folded("Notes on gates that passed", bullets(lines))


def _models(result: CheckResult) -> Markup:
    return joined(
        [
            joined(
                element("h3", one.name),
                fact_list(
                    [
                        *(
                            model_facts(one.model)
                            if one.model
                            else [("model", f"{one.path}, which cannot be read")]
                        ),
                        *(("weights", _hashed(name, digest)) for name, digest in one.external_data.items()),
                        ("ran on", one.provider or "not run"),
                        ("TF32", _tf32(one.tf32)),
                    ]
                ),
                bullets(by_consequence(one.notes), "notes"),
            )
            for one in result.models
        ]
    )


def _hashed(name: str, digest: str) -> Markup:
    return joined(f"{name}, SHA-256 ", element("span", digest, class_="name"))


def _tf32(used: bool) -> str:
    return "used: products were rounded to a 10-bit mantissa" if used else ""


def _settings(result: CheckResult) -> Markup:
    return joined(
        command_block(command_text(["onnx-ood", "check", result.file]), named=True),
        fact_list([("baseline", result.baseline or "none"), ("versions", versions(result.environment))]),
    )
