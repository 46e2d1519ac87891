"""The README works from top to bottom, as a new user types it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import Shell, checkout, difference, read_steps

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STEPS = read_steps(README)
MAKE_LINES = ["make demo", "make test"]
needs_venv = pytest.mark.skipif(
    shutil.which("bash") is None or Path(sys.prefix) != ROOT / ".venv", reason="not run from .venv"
)


@needs_venv
def test_commands_and_programs_run_in_their_order_in_an_empty_environment(tmp_path):
    """All but those of make, which other tests run. Warnings of Python programs are errors."""
    folder = checkout(ROOT, tmp_path / "checkout")
    printed = {}
    with Shell(folder, tmp_path / "home") as shell:
        for step in STEPS:
            if step.text in MAKE_LINES:
                continue
            output, code = shell.run(step)
            assert code == 0, (step.text, output)
            printed[step.text] = output
            if step.shown is not None:
                changed = difference(step.shown, output)
                assert not changed, f"$ {step.text}\n{changed}\nrun: make outputs"
    for command, output in printed.items():
        silent = "--quiet" in command or command.startswith("source ")
        assert bool(output.strip()) == (not silent), command
        assert "onnx-ood: " not in output, command
    assert json.loads((folder / "result.json").read_text())["status"] == "scored"
    assert "<html" in (folder / "result.html").read_text(encoding="utf-8")
    stream = [json.loads(line)["record"] for line in (folder / "run.jsonl").read_text().splitlines()]
    assert stream.count("scored") == len(list((ROOT / "models" / "photos").glob("[a-c]*.jpg")))
    assert (folder / "watched.onnx").stat().st_size > 0


def test_make_lines_are_those_that_tests_know():
    commands = [step.text for step in STEPS if step.kind == "console"]
    assert len(commands) > 12
    assert [line for line in commands if line.startswith("make ")] == MAKE_LINES
    assert commands.index("source .venv/bin/activate") < min(
        place for place, line in enumerate(commands) if line.startswith("onnx-ood ")
    )


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
