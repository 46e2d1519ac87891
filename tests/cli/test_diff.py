"""`onnx-ood diff`: one thing is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from check_results import check_result, gate_result
from command import run

from onnx_ood.reports.formats.json import to_json


@pytest.mark.parametrize(
    ("options", "printed"),
    [([], "report"), (["--quiet"], ""), (["--json", "-"], "json"), (["--html", "PAGE"], "report")],
)
def test_one_thing_is_printed(options: list[str], printed: str, tmp_path: Path) -> None:
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, outcome in zip(paths, ("passed", "failed"), strict=True):
        path.write_text(to_json(check_result(gate_result(outcome))))
    done = run("diff", *paths, *(str(tmp_path / "page.html") if one == "PAGE" else one for one in options))
    assert done.returncode == 0, done.stderr
    if printed == "json":
        assert json.loads(done.stdout)["schema"].startswith("onnx-ood/diff/")
    else:
        assert bool(done.stdout) is (printed == "report")
        assert not done.stdout.startswith("{")
    assert (tmp_path / "page.html").exists() is ("PAGE" in options)


def test_checks_without_shared_gates_are_not_evaluated(tmp_path: Path) -> None:
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, title in zip(paths, ("size", "opset"), strict=True):
        path.write_text(to_json(check_result(gate_result("passed", title))))
    done = run("diff", *paths)
    assert done.returncode == 3
    assert done.stdout.startswith("Not evaluated: no gates in common\n")
    assert done.stderr == "onnx-ood: not evaluated: no gates in common\n"
