"""JUnit XML, read by Jenkins, GitLab and others: one suite per model, one case per gate."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as Xml

from onnx_ood._printable import shown
from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult
from onnx_ood.reports.check.gate_text import explanation, sentence
from onnx_ood.results.note_order import by_consequence

# Gates are not timed: several share one audit.
_TIME = "0"
# Not the machine's name, which would differ between runners and is nobody else's business.
_HOST = "localhost"


def to_junit(result: CheckResult, when: datetime) -> str:
    """Render a check. A gate that was not evaluated is an error: a skipped case would look as good as a passed one.

    The XML follows both common schemas of the format: the one of Jenkins' xunit plugin, and Windy Road's of Ant's
    reports, which requires more attributes and allows no others.

    Args:
        result: The result.
        when: Time of the run, with a time zone.

    Returns:
        XML; the same result and time give the same bytes.
    """
    root = Xml.Element("testsuites")
    for number, model in enumerate(result.models):
        _add_suite(root, result, model, number, when)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _add_suite(
    root: Xml.Element, result: CheckResult, model: CheckedModelResult, number: int, when: datetime
) -> None:
    gates = [gate for gate in result.gates if gate.model == model.name]
    suite = Xml.SubElement(
        root,
        "testsuite",
        id=str(number),
        package="onnx-ood",
        name=shown(model.name),
        # The format has no time zones.
        timestamp=when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        hostname=_HOST,
        tests=str(len(gates)),
        failures=str(sum(gate.outcome == "failed" for gate in gates)),
        errors=str(sum(gate.outcome in {"error", "not_evaluated"} for gate in gates)),
        time=_TIME,
    )
    properties = Xml.SubElement(suite, "properties")
    facts = {
        "model": model.path,
        "sha256": model.model.sha256 if model.model else "not read",
        **{f"sha256 of {name}": digest for name, digest in model.external_data.items()},
        "provider": model.provider or "not run",
    }
    for name, value in facts.items():
        Xml.SubElement(properties, "property", name=shown(name), value=shown(value))
    for gate in gates:
        _add_case(suite, result, gate)
    Xml.SubElement(suite, "system-out").text = "\n".join(map(shown, by_consequence(model.notes)))
    Xml.SubElement(suite, "system-err")


def _add_case(suite: Xml.Element, result: CheckResult, gate: GateResult) -> None:
    case = Xml.SubElement(suite, "testcase", name=shown(gate.title), classname=shown(gate.model), time=_TIME)
    if gate.outcome == "passed":
        return
    kind = "failure" if gate.outcome == "failed" else "error"
    problem = Xml.SubElement(case, kind, type=gate.outcome, message=shown(sentence(gate)))
    problem.text = "\n".join([f"{shown(result.file)}:{gate.line}", *map(shown, explanation(gate))])
