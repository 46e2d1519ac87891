"""docs/ci.md, the GitHub Action and the pre-commit hook match the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import get_args

import pytest
from command import messages, run

from onnx_ood import models
from onnx_ood._ids import kebab_id
from onnx_ood.audits.check.config import Gate, read_check_file
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.result import EXIT_CODES
from onnx_ood.audits.sensitivity.result import TrajectoryType

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text()
ACTION = (ROOT / "action.yml").read_text()
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text()
PROGRAM = Path(sys.executable).with_name("onnx-ood")


def test_every_metric_is_in_the_table_with_what_it_means_and_needs() -> None:
    section = PAGE.split("## Metrics\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section, flags=re.MULTILINE))
    for name, metric in METRICS.items():
        cells = rows.pop(name).split(" | ")
        assert cells[0] == metric.meaning
        assert metric.target is None or metric.target in cells[1]
        if metric.kind != "names":
            assert metric.worse in cells[2]
        assert re.findall(r"`([a-z-]+)`", cells[3]) == list(metric.needs)
        assert cells[4] == metric.audit
    assert not rows


def test_the_file_in_the_page_is_one_and_has_every_key(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "onnx-ood.toml").write_text(text)
    plan = read_check_file(tmp_path / "onnx-ood.toml")
    for table in (plan.config, *plan.config.models.values()):
        for name in type(table).model_fields:
            assert name.replace("_", "-") in text, name


def test_every_bound_is_in_the_page() -> None:
    section = PAGE.split("A gate has one or more bounds:")[1].split("**Beyond noise**")[0]
    for bound in ("min", "max", "equals", "forbid", "baseline = true", "tolerance = 0.02"):
        assert f"`{bound}`" in section
    bounds = set(Gate.model_fields) - {"metric", "model", "target", "set", "min_inputs"}
    assert bounds == set(re.findall(r"`(\w+)(?: = [^`]*)?`", section))


def test_types_of_trajectories_are_in_the_page() -> None:
    (listed,) = re.findall(r"Types of trajectories: (.*?), as for", PAGE, flags=re.DOTALL)
    known = set(map(kebab_id, get_args(TrajectoryType)))
    assert set(re.findall(r"`([a-z-]+)`", listed)) == known


def test_exit_codes_are_those_of_the_program() -> None:
    codes = dict(re.findall(r"^\| (\d+) \| (.*?) ?\|$", PAGE, flags=re.MULTILINE))
    assert "passed" in codes[str(EXIT_CODES["passed"])]
    assert "a gate failed" in codes[str(EXIT_CODES["failed"])]
    assert "not evaluated" in codes[str(EXIT_CODES["not_evaluated"])]
    assert {"2", "64"} < codes.keys()


def test_options_exist() -> None:
    done = run("check", "--help", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    for text in (PAGE, ACTION, HOOKS):
        for line in text.splitlines():
            if "onnx-ood" in line and " check" in line:
                for option in re.findall(r"(?<!\S)--[a-z-]+", line):
                    assert option in shown, option


def test_links_of_the_page_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert target.startswith("http") or (ROOT / "docs" / target).exists(), target


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(("least", "code"), [(1, 0), (10**9, 1)])
def test_the_action_s_step_runs(tmp_path: Path, least: int, code: int) -> None:
    """As the runner runs it: a file by bash, with the inputs in its environment."""
    step = ACTION.split("- name: Check\n")[1].split("- name:")[0]
    script = textwrap.dedent(step.split("run: |\n")[1])
    (tmp_path / "cnn.onnx").write_bytes(models.path("fashion_cnn").read_bytes())
    (tmp_path / "my gates.toml").write_text(
        f'[models.cnn]\npath = "cnn.onnx"\n[[gates]]\nmetric = "size"\nmin = {least}\n'
    )
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            "ONNX_OOD": str(PROGRAM),
            "CONFIG": "my gates.toml",
            "RESULTS": "kept here",
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, messages(done)) == (code, "")
    assert {path.name for path in (tmp_path / "kept here").iterdir()} == {
        "check.json",
        "check.xml",
        "check.sarif",
    }
    assert ("::error file=my gates.toml,line=3," in done.stdout) == bool(code)
    assert "| size | cnn |" in summary.read_text()


@pytest.mark.parametrize(
    ("name", "fires"),
    [
        ("m.onnx", True),
        ("models/m.onnx.data", True),
        ("m.onnx_data", True),
        ("m.onnx_data_1", True),
        ("weights/model.data", True),
        ("weights.bin", True),
        ("decoder.weights", True),
        ("sub/onnx-ood.toml", True),
        ("pyproject.toml", True),
        ("onnx-ood-baseline.json", True),
        ("README.md", False),
        ("onnx.py", False),
        ("src/data.py", False),
        ("not-onnx-ood.toml", False),
    ],
)
def test_the_hook_fires_for_models_their_weights_and_gates(name: str, fires: bool) -> None:
    (pattern,) = re.findall("files: '(.*)'", HOOKS)
    assert bool(re.search(pattern, name)) == fires


def test_what_is_installed_is_pinned_by_hash() -> None:
    for name in ("run", "test", "docs"):
        text = (ROOT / "requirements" / f"{name}.lock").read_text()
        packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(packages) > 10
        assert all("--hash=sha256:" in one and "==" in one for one in packages)
        for text in (
            ACTION,
            (ROOT / "Makefile").read_text(),
            (ROOT / ".github/workflows/ci.yml").read_text(),
        ):
            for line in text.splitlines():
                assert (
                    f"requirements/{name}.lock" not in line
                    or " install " not in line
                    or "--require-hashes" in line
                )
    assert 'install --quiet "$GITHUB_ACTION_PATH"' not in ACTION
