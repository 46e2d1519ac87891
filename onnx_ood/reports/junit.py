"""A check as JUnit XML, the format that Jenkins, GitLab and others read: a suite a model, a case a gate."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from onnx_ood.audits.check_result import CheckedModelResult, CheckResult, GateResult
from onnx_ood.reports.gate_text import explanation, printable, sentence


def to_junit(result: CheckResult) -> str:
    """Renders it. A gate that was not evaluated is an error: a skipped case would look as good as a passed one.

    Args:
        result: The check.

    Returns:
        XML. There are no times in it: the same result gives the same bytes.
    """
    root = Xml.Element(
        "testsuites",
        name="onnx-ood check",
        tests=str(len(result.gates)),
        failures=str(result.failed),
        errors=str(result.not_evaluated),
    )
    for model in result.models:
        _add_suite(root, result, model)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _add_suite(root: Xml.Element, result: CheckResult, model: CheckedModelResult) -> None:
    gates = [gate for gate in result.gates if gate.model == model.name]
    suite = Xml.SubElement(
        root,
        "testsuite",
        name=printable(model.name),
        tests=str(len(gates)),
        failures=str(sum(gate.outcome == "failed" for gate in gates)),
        errors=str(sum(gate.outcome == "not evaluated" for gate in gates)),
        skipped="0",
    )
    properties = Xml.SubElement(suite, "properties")
    facts = {"model": model.model.path, "sha256": model.model.sha256, "provider": model.provider or "not run"}
    for name, value in facts.items():
        Xml.SubElement(properties, "property", name=name, value=printable(value))
    for gate in gates:
        _add_case(suite, result, gate)


def _add_case(suite: Xml.Element, result: CheckResult, gate: GateResult) -> None:
    case = Xml.SubElement(suite, "testcase", name=printable(gate.title), classname=printable(gate.model))
    if gate.outcome == "passed":
        return
    kind = "failure" if gate.outcome == "failed" else "error"
    said = Xml.SubElement(case, kind, type=gate.outcome, message=printable(sentence(gate)))
    said.text = "\n".join([f"{printable(result.file)}:{gate.line}", *map(printable, explanation(gate))])
