"""JUnit XML against both common schemas of the format."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import xmlschema
from check_results import ALL, BROKEN, GOOD, NASTY, WHEN, check_result, gate_result

from onnx_ood.audits.check.result import CheckResult
from onnx_ood.reports.check.junit import to_junit

HERE = Path(__file__).parent


@pytest.mark.parametrize("schema", ["junit-10.xsd", "strict.xsd"])
@pytest.mark.parametrize("result", [ALL, GOOD, BROKEN, check_result(gate_result("failed", model=NASTY))])
def test_junit_is_valid(result: CheckResult, schema: str) -> None:
    xmlschema.XMLSchema(HERE / "junit" / schema).validate(to_junit(result, WHEN))


@pytest.mark.parametrize("result", [ALL, GOOD, BROKEN])
def test_junit_counts(result: CheckResult) -> None:
    root = Xml.fromstring(to_junit(result, WHEN))
    for number, suite in enumerate(root):
        assert suite.attrib["id"] == str(number)
        assert (suite.attrib["timestamp"], suite.attrib["hostname"]) == ("2024-02-29T12:30:01", "localhost")
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
        assert int(suite.attrib["errors"]) == sum(case.find("error") is not None for case in cases)
        assert {case.attrib["classname"] for case in cases} == {suite.attrib["name"]}
    assert len(list(root.iter("testcase"))) == len(result.gates)
    assert to_junit(result, WHEN) == to_junit(result, WHEN.astimezone(UTC))


def test_junit_says_where_and_why_and_takes_nothing_unevaluated_for_passed() -> None:
    root = Xml.fromstring(to_junit(ALL, WHEN))
    (failure,) = root.iter("failure")
    assert "because of" in failure.attrib["message"]
    assert failure.text is not None
    assert failure.text.splitlines()[0] == "some folder/onnx-ood.toml:7"
    assert "found: 0.25 (0.125 to 0.5 at 95%, 40 inputs)" in failure.text
    (error,) = root.iter("error")
    assert error.attrib["type"] == "not_evaluated"
    assert not list(root.iter("skipped"))


def test_junit_takes_what_broke_for_an_error() -> None:
    first, second = Xml.fromstring(to_junit(BROKEN, WHEN))
    assert [error.attrib["type"] for error in first.iter("error")] == ["error", "error"]
    assert "ended in an error: because of" in next(first.iter("error")).attrib["message"]
    assert (first.attrib["errors"], first.attrib["failures"]) == ("2", "0")
    facts = {one.attrib["name"]: one.attrib["value"] for one in first.iter("property")}
    assert facts["sha256"] == "not read"
    assert (second.attrib["errors"], second.attrib["failures"]) == ("1", "1")
    assert "1" * 64 in [one.attrib["value"] for one in second.iter("property")]
