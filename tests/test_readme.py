"""Every command in the README runs, as it stands there."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import messages, run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "console" for line in text.splitlines() if line.strip()]
PROGRAM_LINES = [line for line in COMMANDS if line.startswith("onnx-ood ")]
ACTIVATION = "source .venv/bin/activate"
MAKE_LINES = [line for line in COMMANDS if line.startswith("make ")]


@pytest.fixture
def checkout(tmp_path):
    """A folder in which the README's relative paths exist and that may be written to."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    return tmp_path


def test_every_command_is_of_a_kind_that_is_run_here():
    assert [ACTIVATION, *MAKE_LINES, *PROGRAM_LINES] == sorted(COMMANDS, key=lambda line: line != ACTIVATION)
    assert MAKE_LINES == ["make demo", "make test"]


@pytest.mark.skipif(
    shutil.which("bash") is None or Path(sys.prefix) != ROOT / ".venv", reason="not run from .venv"
)
def test_activation_puts_the_program_on_the_path():
    done = subprocess.run(
        ["bash", "-c", f"{ACTIVATION} && command -v onnx-ood"],
        cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.strip() == str(ROOT / ".venv" / "bin" / "onnx-ood")
    assert COMMANDS.index(ACTIVATION) < COMMANDS.index(PROGRAM_LINES[0])


def test_program_lines_run_in_their_order(checkout):
    for line in PROGRAM_LINES:
        _, *arguments = shlex.split(line)
        result = run(*arguments, folder=checkout)
        assert result.returncode == 0, (line, result.stderr)
        assert messages(result) == "", line
        assert bool(result.stdout.strip()) == ("--quiet" not in arguments), line
    assert json.loads((checkout / "result.json").read_text())["status"] == "scored"
    assert "<html" in (checkout / "result.html").read_text()
    assert len((checkout / "run.jsonl").read_text().splitlines()) > len(
        list((ROOT / "models/photos").glob("*.jpg"))
    )


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_python_blocks_run(code, checkout):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.skipif(
    shutil.which("make") is None or Path(sys.prefix) != ROOT / ".venv",
    reason="not run by make, from its .venv",
)
def test_make_demo_runs(demo_run):
    assert "inverted" in (demo_run / "stdout.txt").read_text(encoding="utf-8")
    # A make below another, as in `make test`, would print its folder too.
    command = ["make", "--no-print-directory", "-n", "demo"]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert plan.splitlines()[-1] == ".venv/bin/onnx-ood demo"
    assert os.access(ROOT / ".venv" / "bin" / "onnx-ood", os.X_OK)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_test_is_what_runs_these_tests_and_what_ci_calls():
    plan = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "-m pytest" in plan
    for tool in ("ruff check", "ruff format --check", "mypy"):
        assert tool in plan
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
