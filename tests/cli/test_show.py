"""`onnx-ood show`: what is printed and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import run

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.formats.json import to_json


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(to_json(onnx_ood.inspect(models.path("fashion_cnn"))))
    return path


@pytest.mark.parametrize(
    ("options", "report", "page"),
    [
        ([], True, False),
        (["--quiet"], False, False),
        (["--html", "PAGE"], False, True),
        (["--html", "PAGE", "--quiet"], False, True),
        (["--json", "COPY"], True, False),
        (["--json", "COPY", "--quiet"], False, False),
        (["--json", "COPY", "--html", "PAGE"], False, True),
    ],
)
def test_a_page_and_quiet_replace_the_report(
    options: list[str], report: bool, page: bool, stored: Path, tmp_path: Path
) -> None:
    names = {"PAGE": str(tmp_path / "page.html"), "COPY": str(tmp_path / "copy.json")}
    done = run("show", stored, *(names.get(word, word) for word in options))
    assert (done.returncode, done.stderr) == (0, "")
    assert ("fashion_cnn" in done.stdout) is report
    assert bool(done.stdout) is report
    assert (tmp_path / "page.html").exists() is page
    if "--json" in options:
        assert json.loads((tmp_path / "copy.json").read_text()) == json.loads(stored.read_text())


def test_json_on_standard_output_is_nothing_else(stored: Path) -> None:
    done = run("show", stored, "--json", "-")
    assert json.loads(done.stdout) == json.loads(stored.read_text())
