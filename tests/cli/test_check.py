"""`onnx-ood check` as a shell sees it: exit codes, files, and the worked example of docs/ci.md."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from unittest.mock import patch
from xml.etree import ElementTree as Xml

import jsonschema
import numpy as np
import onnx
import pytest
import xmlschema
from command import run

from onnx_ood import models
from onnx_ood.audits.check.config import read_check_file
from onnx_ood.audits.check.starter import STARTER

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("onnx-ood")
Run = subprocess.CompletedProcess


def check(folder: Path, *arguments: object, **environment: str) -> Run[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")}
    with patch.dict(os.environ, clean, clear=True):
        return run("check", *arguments, folder=folder, **environment)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example", ROOT / "docs" / "ci" / "example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def released(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its baseline."""
    folder = tmp_path_factory.mktemp("example") / "released"
    example.write_example(folder)
    result = check(folder, "--update-baseline")
    assert result.returncode == 0, result.stdout + result.stderr
    (written,) = [line for line in result.stdout.splitlines() if line.startswith("Baseline written to ")]
    assert Path(folder, written.removeprefix("Baseline written to ")).is_file()
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a check of a bundled model that runs nothing."""

    def write(gates: str) -> Path:
        (tmp_path / "cnn.onnx").write_bytes(models.path("fashion_cnn").read_bytes())
        (tmp_path / "onnx-ood.toml").write_text(f'[models.cnn]\npath = "cnn.onnx"\n{gates}')
        return tmp_path

    return write


SIZE = '[[gates]]\nmetric = "size"\nmax = 300_000\n'


# The worked example.


def _failed(folder: Path) -> tuple[int, set[str], list[str]]:
    """How the check ends, the gates that failed, and the notes."""
    result = check(folder, "--json", "-")
    found = json.loads(result.stdout)
    assert {gate["outcome"] for gate in found["gates"]} <= {"passed", "failed"}
    titles = {gate["title"] for gate in found["gates"] if gate["outcome"] == "failed"}
    return result.returncode, titles, found["notes"]


@pytest.fixture
def candidate(example: ModuleType, released: Path, tmp_path: Path) -> Callable[[str], Path]:
    """The example with another candidate, compared with the baseline of the released model."""

    def make(change: str) -> Path:
        folder = tmp_path / "candidate"
        example.write_example(folder)
        (folder / "onnx-ood-baseline.json").write_bytes((released / "onnx-ood-baseline.json").read_bytes())
        getattr(example, change)(folder)
        return folder

    return make


def test_a_damaged_layer_fails_from_that_layer_on(candidate: Callable[[str], Path]) -> None:
    code, failed, notes = _failed(candidate("damage"))
    assert code == 1
    # The third convolution is damaged: what comes before it reacts as it did.
    assert failed == {"agreement", "flip-rate of op:Relu[2]"}
    assert notes == ["garments: the baseline is of a different model file."]


def test_a_wrong_preprocessing_fails_although_the_file_is_the_same(candidate: Callable[[str], Path]) -> None:
    code, failed, notes = _failed(candidate("misread"))
    assert code == 1
    assert failed == {"agreement", "flip-rate of op:Relu[1]", "flip-rate of op:Relu[2]"}
    assert notes == ["garments: the baseline is of the same model file."]


def test_a_bad_quantisation_fails_though_no_layer_by_itself_does(candidate: Callable[[str], Path]) -> None:
    code, failed, notes = _failed(candidate("quantise"))
    assert code == 1
    assert failed == {"agreement", "jacobian-norm"}
    assert notes == ["garments: the baseline is of a different model file."]


def test_a_good_model_passes_and_three_runs_give_the_same_bytes(released: Path) -> None:
    runs = [check(released, "--json", "-") for _ in range(3)]
    assert [one.returncode for one in runs] == [0, 0, 0]
    assert len({one.stdout for one in runs}) == 1
    found = json.loads(runs[0].stdout)
    assert (found["status"], found["passed"], len(found["gates"])) == ("passed", 11, 11)
    assert found["notes"] == ["garments: the baseline is of the same model file."]
    before = (released / "onnx-ood-baseline.json").read_bytes()
    assert check(released, "--update-baseline", "--quiet").returncode == 0
    assert (released / "onnx-ood-baseline.json").read_bytes() == before


# Exit codes.


def test_all_exit_codes(small: Callable[[str], Path]) -> None:
    passed = check(small(SIZE))
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout.splitlines()[0] == "passed: 0 failed, 0 not evaluated, 1 passed"

    failed = check(small(SIZE + '[[gates]]\nmetric = "opset"\nmin = 18\n'))
    assert failed.returncode == 1
    assert failed.stdout.splitlines()[0] == "failed: 1 failed, 0 not evaluated, 1 passed"
    rows = [line for line in failed.stdout.splitlines() if line.startswith(("✗", "✓"))]
    assert [row.split()[1:3] for row in rows] == [["failed", "opset"], ["passed", "size"]]
    assert "17 is below 18" in failed.stdout

    folder = small('[[gates]]\nmetric = "size"\nbaseline = true\n')
    (folder / "onnx-ood.toml").write_text('baseline = "b.json"\n' + (folder / "onnx-ood.toml").read_text())
    unsure = check(folder)
    assert unsure.returncode == 3
    assert unsure.stdout.splitlines()[0] == "not evaluated: 0 failed, 1 not evaluated, 0 passed"

    folder = small(SIZE)
    (folder / "cnn.onnx").write_bytes(b"no model")
    broken = check(folder)
    assert broken.returncode == 2
    assert broken.stdout.splitlines()[0] == "error: 1 error, 0 failed, 0 not evaluated, 0 passed"
    assert broken.stdout.count("cnn.onnx: is not an ONNX model") == 1
    assert broken.stderr == ""
    quiet = check(folder, "--quiet")
    (line,) = quiet.stderr.splitlines()
    assert line.startswith("onnx-ood: cnn: cnn.onnx: is not an ONNX model")
    (folder / "onnx-ood.toml").write_text(
        (folder / "onnx-ood.toml").read_text() + '[[gates]]\nmetric = "opset"\nmin = 18\n'
    )
    several = check(folder)
    assert several.stdout.count("is not an ONNX model") == 1
    assert "size, opset (lines 3, 6)" in several.stdout

    wrong = check(small(SIZE.replace("size", "sise")))
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert wrong.stderr.startswith(
        "onnx-ood: onnx-ood.toml: line 4: gates.0.metric: unknown metric 'sise'; did you mean 'size'?"
    )
    assert len(wrong.stderr.splitlines()) == 1


def test_a_failed_gate_outweighs_one_that_was_not_evaluated(small: Callable[[str], Path]) -> None:
    folder = small('[[gates]]\nmetric = "size"\nbaseline = true\nmax = 1\n')
    text = (folder / "onnx-ood.toml").read_text()
    gate = '[[gates]]\nmetric = "opset"\nbaseline = true\n'
    (folder / "onnx-ood.toml").write_text('baseline = "b.json"\n' + text + gate)
    result = check(folder)
    assert result.returncode == 1
    assert "1 failed, 1 not evaluated, 0 passed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.toml"], "missing.toml: no such file"),
        (["--update-baseline"], "names no baseline"),
        (["--init", "--update-baseline"], "--init checks nothing"),
        (["--github", "--json", "-"], "--github and --json - both print to standard output"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    small: Callable[[str], Path], arguments: list[str], words: str
) -> None:
    result = check(small(SIZE), *arguments)
    assert (result.returncode, result.stdout) == (64, "")
    (line,) = result.stderr.splitlines()
    assert words in line


def test_the_file_is_looked_for_here(tmp_path: Path, small: Callable[[str], Path]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no onnx-ood.toml or pyproject.toml in this folder" in check(empty).stderr
    folder = small(SIZE)
    text = (folder / "onnx-ood.toml").read_text()
    inside = text.replace("[models", "[tool.onnx_ood.models").replace("[gates", "[tool.onnx_ood.gates")
    (folder / "onnx-ood.toml").unlink()
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n" + inside)
    result = check(folder)
    assert result.returncode == 0, result.stderr
    assert "pyproject.toml" in result.stdout
    # Paths are relative to the file, wherever the program runs.
    assert check(empty, "../pyproject.toml").returncode == 0


def test_init_writes_a_file_that_is_a_check_and_overwrites_nothing(tmp_path: Path) -> None:
    result = check(tmp_path, "--init")
    assert result.returncode == 0, result.stderr
    path = tmp_path / "onnx-ood.toml"
    assert path.read_text() == STARTER
    assert read_check_file(path).config.models.keys() == {"main"}
    again = check(tmp_path, "--init")
    assert again.returncode == 64
    assert "already exists" in again.stderr
    assert path.read_text() == STARTER
    assert check(tmp_path, "--init", "other.toml", "--quiet").stdout == ""
    assert (tmp_path / "other.toml").exists()


def test_every_output_is_valid(small: Callable[[str], Path]) -> None:
    folder = small(SIZE + '[[gates]]\nmetric = "opset"\nmin = 18\n')
    summary = folder / "summary.md"
    summary.write_text("before\n")
    result = check(
        folder, "--json", "r.json", "--junit", "r.xml", "--sarif", "r.sarif", "--gitlab", "q.json",
        "--markdown", "r.md", "--github", "--quiet", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (1, "")
    (annotation,) = result.stdout.splitlines()
    assert annotation.startswith("::error file=onnx-ood.toml,line=6,title=opset failed::")
    schemas = ROOT / "docs" / "schemas"
    found = json.loads((folder / "r.json").read_text())
    jsonschema.validate(found, json.loads((schemas / "check.json").read_text()))
    assert (found["schema"], found["gates"][0]["line"]) == ("onnx-ood/check/3", 6)
    reports = ROOT / "tests" / "reports" / "check"
    for name in ("junit-10.xsd", "strict.xsd"):
        xmlschema.XMLSchema(reports / "junit" / name).validate(folder / "r.xml")
    sarif = json.loads((reports / "sarif" / "sarif-schema-2.1.0.json").read_text())
    jsonschema.validate(json.loads((folder / "r.sarif").read_text()), sarif)
    assert [issue["check_name"] for issue in json.loads((folder / "q.json").read_text())] == ["opset"]
    assert summary.read_text() == "before\n" + (folder / "r.md").read_text()


def test_a_baseline_and_a_file_are_what_their_schemas_say(released: Path) -> None:
    schemas = ROOT / "docs" / "schemas"
    baseline = json.loads((released / "onnx-ood-baseline.json").read_text())
    jsonschema.validate(baseline, json.loads((schemas / "baseline.json").read_text()))
    schema = json.loads((schemas / "check-file.json").read_text())
    config = read_check_file(released / "onnx-ood.toml").located.value
    plain = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    jsonschema.validate(plain, schema)
    for wrong in (
        {**plain, "modles": {}},
        {**plain, "gates": [{"metric": "sice", "max": 1}]},
        {**plain, "gates": [{"metric": "size", "at-most": 1}]},
        {"models": {}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


# What breaks, and what is left of it.

OUTPUTS = (
    "--json", "r.json", "--junit", "r.xml", "--sarif", "r.sarif", "--gitlab", "q.json", "--markdown", "r.md",
    "--html", "r.html",
)  # fmt: skip


def test_a_model_that_cannot_be_read_keeps_no_output_from_being_written(small: Callable[[str], Path]) -> None:
    """The other model's gates are judged, and those of this one are errors everywhere."""
    folder = small('[models.gone]\npath = "gone.onnx"\n' + SIZE + '[[gates]]\nmetric = "opset"\nmin = 18\n')
    summary = folder / "summary.md"
    result = check(folder, *OUTPUTS, "--github", "--quiet", GITHUB_STEP_SUMMARY=str(summary))
    assert result.returncode == 2  # though a gate failed, too
    assert result.stderr == "onnx-ood: gone: gone.onnx: no such file\n"
    found = json.loads((folder / "r.json").read_text())
    jsonschema.validate(found, json.loads((ROOT / "docs" / "schemas" / "check.json").read_text()))
    assert found["status"] == "error"
    assert [found[key] for key in ("errors", "failed", "not_evaluated", "passed")] == [2, 1, 0, 1]
    assert [(gate["model"], gate["outcome"]) for gate in found["gates"]] == [
        ("gone", "error"), ("gone", "error"), ("cnn", "failed"), ("cnn", "passed"),
    ]  # fmt: skip
    assert {gate["reason"] for gate in found["gates"][:2]} == {"gone.onnx: no such file"}
    assert [(one["path"], one["model"] is None) for one in found["models"]] == [
        ("cnn.onnx", False), ("gone.onnx", True),
    ]  # fmt: skip
    reports = ROOT / "tests" / "reports" / "check"
    for name in ("junit-10.xsd", "strict.xsd"):
        xmlschema.XMLSchema(reports / "junit" / name).validate(folder / "r.xml")
    root = Xml.parse(folder / "r.xml").getroot()
    assert {suite.attrib["name"]: suite.attrib["errors"] for suite in root} == {"cnn": "0", "gone": "2"}
    sarif = json.loads((folder / "r.sarif").read_text())
    jsonschema.validate(sarif, json.loads((reports / "sarif" / "sarif-schema-2.1.0.json").read_text()))
    assert sarif["runs"][0]["invocations"][0]["executionSuccessful"] is False
    assert len(json.loads((folder / "q.json").read_text())) == 3
    assert "gone.onnx: no such file" in (folder / "r.html").read_text()
    assert summary.read_text() == (folder / "r.md").read_text()
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["::error"] * 3


def test_what_the_file_tells_is_judged_though_the_model_cannot_run(small: Callable[[str], Path]) -> None:
    folder = small(SIZE + '[[gates]]\nmetric = "failed-inputs"\nmax = 0\n')
    model = onnx.load(folder / "cnn.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, folder / "cnn.onnx")
    text = (folder / "onnx-ood.toml").read_text()
    (folder / "onnx-ood.toml").write_text(text.replace("[[gates]]", 'inputs = "rows.npy"\n[[gates]]', 1))
    np.save(folder / "rows.npy", np.zeros((12, 1, 28, 28), np.float32))
    result = check(folder, "--json", "-")
    assert result.returncode == 2
    found = json.loads(result.stdout)
    assert [(gate["metric"], gate["outcome"]) for gate in found["gates"]] == [
        ("failed-inputs", "error"), ("size", "passed"),
    ]  # fmt: skip
    assert "NoSuchOperator" in found["gates"][0]["reason"]
    assert found["models"][0]["model"]["sha256"] == sha256((folder / "cnn.onnx").read_bytes()).hexdigest()


def test_an_output_that_cannot_be_written_keeps_no_other_from_being_written(
    small: Callable[[str], Path],
) -> None:
    outputs = ["no/such/folder.xml" if one == "r.xml" else one for one in OUTPUTS]
    result = check(small(SIZE), *outputs, "--quiet")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("onnx-ood: no/such/folder.xml: cannot be written")
    folder = small(SIZE)
    assert json.loads((folder / "r.json").read_text())["status"] == "passed"
    assert all((folder / name).exists() for name in ("r.sarif", "q.json", "r.md", "r.html"))
    summary = check(folder, "--github", "--quiet", GITHUB_STEP_SUMMARY="no/such/summary.md")
    assert (summary.returncode, summary.stdout) == (2, "")
    assert "no/such/summary.md: cannot be written" in summary.stderr


BASED = '[[gates]]\nmetric = "size"\nbaseline = true\n'


def _based(folder: Path) -> Path:
    text = (folder / "onnx-ood.toml").read_text()
    (folder / "onnx-ood.toml").write_text('baseline = "b.json"\n' + text)
    return folder


def test_a_baseline_is_not_overwritten_by_what_broke(small: Callable[[str], Path]) -> None:
    folder = _based(small(BASED + '[models.other]\npath = "other.onnx"\n'))
    (folder / "other.onnx").write_bytes((folder / "cnn.onnx").read_bytes())
    assert check(folder, "--update-baseline", "--quiet").returncode == 0
    kept = (folder / "b.json").read_bytes()
    (folder / "other.onnx").write_bytes(b"broken")
    result = check(folder, "--update-baseline")
    assert result.returncode == 2
    assert "The baseline is left unchanged" in result.stdout
    assert (folder / "b.json").read_bytes() == kept
    # A failed gate is a finding, not a reason to go on comparing with an old baseline.
    (folder / "other.onnx").write_bytes((folder / "cnn.onnx").read_bytes())
    text = (folder / "onnx-ood.toml").read_text()
    (folder / "onnx-ood.toml").write_text(text + '[[gates]]\nmetric = "opset"\nmin = 99\n')
    assert check(folder, "--update-baseline").returncode == 1
    assert "opset" in json.loads((folder / "b.json").read_text())["models"]["other"]["metrics"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json", "onnx-ood.toml"], "--json onnx-ood.toml: is the file of gates"),
        (["--junit", "cnn.onnx"], "--junit cnn.onnx: is the model"),
        (["--sarif", "./b.json"], "--sarif b.json: is already written as the baseline"),
        (["--html", "link.html"], "--html link.html: is the model"),
        (["--markdown", "r", "--gitlab", "r"], "--markdown r: is already written as --gitlab"),
    ],
)
def test_nothing_that_is_read_is_written_over(
    small: Callable[[str], Path], arguments: list[str], words: str
) -> None:
    folder = _based(small(BASED))
    (folder / "link.html").symlink_to("cnn.onnx")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = check(folder, *arguments)
    assert (result.returncode, result.stdout) == (64, "")
    assert words in result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "onnx-ood.toml").write_text(
        (folder / "onnx-ood.toml").read_text().replace("b.json", "cnn.onnx")
    )
    result = check(folder, "--update-baseline")
    assert "--baseline cnn.onnx: is the model" in result.stderr
    assert (folder / "cnn.onnx").read_bytes() == before["cnn.onnx"]


def test_a_reader_that_stops_does_not_change_the_exit_code(small: Callable[[str], Path]) -> None:
    folder = small(SIZE.replace("300_000", "3"))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run([PROGRAM, "check"], cwd=folder, stdout=writing, check=False, timeout=60)
    finally:
        os.close(writing)
    assert result.returncode == 1


def test_a_closed_output_does_not_change_the_exit_code(small: Callable[[str], Path]) -> None:
    folder = small(SIZE.replace("300_000", "3"))
    line = f"'{PROGRAM}' check >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], cwd=folder, check=False, timeout=60).returncode == 1


def test_reports_name_a_file_from_the_working_folder(small: Callable[[str], Path]) -> None:
    """So do the repositories that they are about, where jobs run."""
    folder = small(SIZE.replace("300_000", "3"))
    assert check(folder, folder / "onnx-ood.toml", "--quiet", *OUTPUTS).returncode == 1
    (result,) = json.loads((folder / "r.sarif").read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "onnx-ood.toml", "uriBaseId": "%SRCROOT%"}
    (issue,) = json.loads((folder / "q.json").read_text())
    assert issue["location"]["path"] == "onnx-ood.toml"


def test_annotations_follow_the_muted_report(small: Callable[[str], Path]) -> None:
    result = check(small(SIZE.replace("300_000", "3")), "--github")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("::stop-commands::")
    end = lines.index(f"::{lines[0].rpartition('::')[2]}::")
    assert lines[1] == "failed: 1 failed, 0 not evaluated, 0 passed"
    assert [line.split()[0] for line in lines[end + 1 :]] == ["::error"]


def test_times_are_those_that_the_environment_says(small: Callable[[str], Path]) -> None:
    folder = small(SIZE)

    def stamp(**environment: str) -> str:
        assert check(folder, "--junit", "r.xml", "--quiet", **environment).returncode == 0
        return Xml.parse(folder / "r.xml").getroot()[0].attrib["timestamp"]

    # GNU date: date -u -d @1700000000
    assert stamp(SOURCE_DATE_EPOCH="1700000000", TZ="Asia/Tokyo") == "2023-11-14T22:13:20"
    before = datetime.now(UTC).replace(microsecond=0)
    now = datetime.fromisoformat(stamp(SOURCE_DATE_EPOCH="")).replace(tzinfo=UTC)
    assert before <= now <= datetime.now(UTC)
    for wrong in ("yesterday", "9" * 30):
        result = check(folder, "--junit", "r.xml", SOURCE_DATE_EPOCH=wrong)
        assert result.returncode == 64
        (line,) = result.stderr.splitlines()
        assert "SOURCE_DATE_EPOCH" in line
