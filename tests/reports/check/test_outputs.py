"""What is made of a check's result: each output against the schema of its format, with names that want to break it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
import xmlschema
from rich.console import Console

from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult
from onnx_ood.reports.check.github import to_annotations, unheard
from onnx_ood.reports.check.gitlab import to_gitlab
from onnx_ood.reports.check.junit import to_junit
from onnx_ood.reports.check.markdown import to_check_markdown
from onnx_ood.reports.check.sarif import to_sarif
from onnx_ood.reports.check.terminal import print_check
from onnx_ood.results.environment import environment
from onnx_ood.results.facts import ModelFacts

HERE = Path(__file__).parent
# In a zone east of Greenwich, where it is evening; there it is 12:30.
WHEN = datetime(2024, 2, 29, 18, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
# A tensor's name is whatever the model's maker wrote.
NASTY = "a|b`<script>&\"']]>\n::error::x,y:100%\x1b[31m\x00_*"

# What GitLab documents for code quality: each of these is required, the severities are those five.
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string"},
            "check_name": {"type": "string"},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./)"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def _gate(outcome: str, title: str = "auroc of auto", model: str = "one", line: int = 7) -> GateResult:
    measured = outcome in {"passed", "failed"}
    return GateResult(
        model=model,
        title=title,
        figure="auroc",
        of="auto",
        set=None,
        line=line,
        outcome=outcome,
        expected="at least 0.9",
        found=0.25 if measured else None,
        low=0.125 if measured else None,
        high=0.5 if measured else None,
        unit="",
        inputs=40 if measured else None,
        reason="" if outcome == "passed" else f"because of {NASTY}",
        advice="" if outcome in {"passed", "error"} else "look again",
        notes=(NASTY,),
    )


def _result(*gates: GateResult, file: str = "some folder/onnx-ood.toml") -> CheckResult:
    outcomes = [gate.outcome for gate in gates]
    status = next((one for one in ("error", "failed", "not evaluated") if one in outcomes), "passed")
    facts = ModelFacts(
        path=NASTY, sha256="0" * 64, size=1, parameters=1, opsets={"ai.onnx": 17}, producer="someone"
    )
    return CheckResult(
        status=status,
        file=file,
        baseline=None,
        environment=environment(),
        passed=outcomes.count("passed"),
        failed=outcomes.count("failed"),
        not_evaluated=outcomes.count("not evaluated"),
        errors=outcomes.count("error"),
        models=tuple(
            CheckedModelResult(
                name=name,
                path=NASTY,
                model=None if name == "gone" else facts,
                external_data={} if name == "gone" else {NASTY: "1" * 64},
                provider="cpu",
                tf32=False,
                notes=(NASTY,),
            )
            for name in dict.fromkeys(gate.model for gate in gates)
        ),
        gates=gates,
        notes=(NASTY,),
    )


ALL = _result(
    _gate("failed", NASTY),
    _gate("not evaluated", model="two", line=12),
    _gate("passed", "auroc of energy"),
    _gate("passed", model="two"),
)
GOOD = _result(_gate("passed"))
BROKEN = _result(
    _gate("error", model="gone"),
    _gate("error", "size", model="gone", line=9),
    _gate("failed"),
    _gate("not evaluated", "size"),
)


@pytest.mark.parametrize("schema", ["junit-10.xsd", "strict.xsd"])
@pytest.mark.parametrize("result", [ALL, GOOD, BROKEN, _result(_gate("failed", model=NASTY))])
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
    assert error.attrib["type"] == "not evaluated"
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


@pytest.mark.parametrize(
    "result", [ALL, GOOD, BROKEN, _result(_gate("failed"), file="/tmp/a b/onnx-ood.toml")]
)
def test_sarif_is_valid(result: CheckResult) -> None:
    schema = json.loads((HERE / "sarif" / "sarif-schema-2.1.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    validator(schema, format_checker=validator.FORMAT_CHECKER).validate(json.loads(to_sarif(result)))


def test_sarif_points_at_the_gates_that_are_not_passed() -> None:
    (run,) = json.loads(to_sarif(ALL))["runs"]
    failed, unevaluated = run["results"]
    assert (failed["level"], unevaluated["level"]) == ("error", "warning")
    place = failed["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "some%20folder/onnx-ood.toml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 7}
    assert run["tool"]["driver"]["rules"][failed["ruleIndex"]]["id"] == failed["ruleId"] == "auroc"
    assert failed["partialFingerprints"] != unevaluated["partialFingerprints"]
    assert json.loads(to_sarif(GOOD))["runs"][0]["results"] == []
    (absolute,) = json.loads(to_sarif(_result(_gate("failed"), file="/tmp/x.toml")))["runs"][0]["results"]
    assert absolute["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///tmp/x.toml"}


def test_sarif_says_that_a_run_broke() -> None:
    (good,) = json.loads(to_sarif(ALL))["runs"]
    assert good["invocations"] == [{"executionSuccessful": True, "exitCodeDescription": "failed"}]
    (broken,) = json.loads(to_sarif(BROKEN))["runs"]
    (invocation,) = broken["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCodeDescription"]) == (False, "error")
    # One model can't be read: that is told once, however many gates it has.
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert told["message"]["text"].startswith("gone: because of")
    assert [one["level"] for one in broken["results"]] == ["error", "error", "error", "warning"]


def test_fingerprints_are_those_of_gates_wherever_they_stand() -> None:
    """The same when lines, outcomes and reasons change; others for another gate, model or file."""

    def prints(result: CheckResult) -> list[tuple[str, str]]:
        alerts = json.loads(to_sarif(result))["runs"][0]["results"]
        # The name that GitHub's code scanning goes by.
        named = [alert["partialFingerprints"]["primaryLocationLineHash"] for alert in alerts]
        return list(
            zip(named, [issue["fingerprint"] for issue in json.loads(to_gitlab(result))], strict=True)
        )

    first = prints(_result(_gate("failed"), _gate("failed", model="two"), _gate("failed", "size")))
    moved = prints(
        _result(_gate("error", line=99), _gate("not evaluated", model="two"), _gate("failed", "size"))
    )
    elsewhere = prints(_result(_gate("failed"), file="other.toml"))
    assert first == moved
    for kind in zip(*first, *elsewhere, strict=True):
        assert len(set(kind)) == 4


def test_gitlab_is_as_documented() -> None:
    issues = json.loads(to_gitlab(ALL))
    jsonschema.validate(issues, GITLAB)
    assert [issue["severity"] for issue in issues] == ["major", "minor"]
    assert [issue["location"]["lines"]["begin"] for issue in issues] == [7, 12]
    assert len({issue["fingerprint"] for issue in issues}) == 2
    assert json.loads(to_gitlab(GOOD)) == []
    broken = json.loads(to_gitlab(BROKEN))
    jsonschema.validate(broken, GITLAB)
    assert [issue["severity"] for issue in broken] == ["major", "major", "major", "minor"]


def test_an_annotation_is_one_line_whatever_is_in_it() -> None:
    first, second = to_annotations(ALL).split("\n")[:-1]
    assert first.startswith("::error file=some folder/onnx-ood.toml,line=7,title=")
    assert second.startswith("::warning file=some folder/onnx-ood.toml,line=12,title=")
    properties, _, message = first.removeprefix("::error ").partition("::")
    assert properties.count(",") == 2  # that of the title is escaped
    assert "%0A" in message
    assert "100%25" in message
    assert first.isprintable()
    assert to_annotations(GOOD) == ""
    kinds = [line.split()[0] for line in to_annotations(BROKEN).splitlines()]
    assert kinds == ["::error", "::error", "::error", "::warning"]


def _commands(log: str) -> list[str]:
    """Names of the commands that GitHub's runner takes from what a step prints, as its documentation has them."""
    found, mark = [], None
    for line in map(str.strip, log.splitlines()):
        if mark is not None:
            mark = None if line == f"::{mark}::" else mark
        elif line.startswith("::") and "::" in line[2:]:
            found.append(line[2:].split("::")[0].split()[0])
            mark = line.rpartition("::")[2] if found[-1] == "stop-commands" else None
    return found


def test_the_runner_hears_annotations_and_nothing_of_the_report() -> None:
    out = StringIO()
    loud = _result(_gate("failed", "::set-output name=x::y"), _gate("passed", "::stop-commands::x"))
    print_check(Console(width=40, file=out, markup=False), loud)
    assert "set-output" in _commands(out.getvalue())  # which is why
    log = unheard(loud, out.getvalue()) + to_annotations(loud)
    assert _commands(log) == ["stop-commands", "error"]
    assert out.getvalue() in log
    # Nobody can write the mark into a name: with the name it changes.
    mark = log.splitlines()[0].rpartition("::")[2]
    assert len(mark) == 64
    other = loud.model_copy(update={"gates": (_gate("failed", mark),)})
    assert mark not in unheard(other, "").splitlines()[0]


def test_names_do_not_drive_the_terminal() -> None:
    out = StringIO()
    print_check(Console(width=400, file=out, markup=False, color_system=None), ALL)
    text = out.getvalue()
    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x1b[31m\\x00" in text


def test_markdown_has_a_row_for_each_gate_that_nothing_breaks() -> None:
    text = to_check_markdown(ALL)
    table = [line for line in text.splitlines() if line.startswith("| ❌") or line.startswith("| ✅")]
    assert len(table) == 3
    for row in table:
        assert row.replace("\\|", "").count("|") == 8
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\x1b" not in text
    assert "1 failed, 1 not evaluated, 2 passed" in text
    assert "expected: at least 0.9" in text
    broken = to_check_markdown(BROKEN)
    assert broken.splitlines()[0].endswith("onnx-ood check: error")
    assert "2 errors, 1 failed, 1 not evaluated, 0 passed" in broken
    assert "| gone | " in broken
    assert "| not read | cpu |" in broken


@pytest.mark.parametrize("width", [80, 120, 160])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_the_terminal_report_fits_and_reads_without_colour(width: int, encoding: str) -> None:
    class _Out(StringIO):
        @property
        def encoding(self) -> str:
            return encoding

    out = _Out()
    clean = ALL.model_copy(
        update={"gates": tuple(one.model_copy(update={"notes": (), "title": "x" * 60}) for one in ALL.gates)}
    )
    print_check(Console(width=width, file=out, highlight=False, markup=False, emoji=False), clean)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() == (encoding == "ascii")
    lines = [line for line in text.splitlines() if "passed " in line or "failed " in line]
    assert "failed" in lines[0]
    assert text.rstrip().splitlines()[-1] == "failed: 1 failed, 1 not evaluated, 2 passed"


@pytest.mark.parametrize("render", [to_check_markdown, lambda result: to_junit(result, WHEN)])
def test_where_a_model_ran_is_said_or_that_it_did_not(render: Callable[[CheckResult], str]) -> None:
    (model,) = GOOD.models
    still = GOOD.model_copy(update={"models": (model.model_copy(update={"provider": None}),)})
    assert "not run" in render(still)
    assert "not run" not in render(GOOD)
    assert "cpu" in render(GOOD)
