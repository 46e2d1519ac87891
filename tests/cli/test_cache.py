"""`onnx-ood cache`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import run

from onnx_ood.evidence.store import Store
from onnx_ood.evidence.user_cache import VARIABLE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    for key in "ab":
        Store(tmp_path / "cache").keep(key, {"x": np.zeros(1000)})
    return tmp_path / "cache"


def test_it_shows_size_and_folder(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.glob("*/*"))
    assert run("cache").stdout == f"{size / 1024:.1f} KiB in 2 files: {folder}\n"
    assert VARIABLE in run("cache", "-v").stdout
    assert run("cache", "-q").stdout == ""
    found = json.loads(run("cache", "--json", "-").stdout)
    assert (found["folder"], found["files"], found["size"]) == (str(folder), 2, size)


def test_it_is_emptied_on_request(folder: Path) -> None:
    lines = run("cache", "--clear").stdout.splitlines()
    assert lines[0].endswith(" removed")
    assert lines[1] == f"0 B in 0 files: {folder}"
    assert list(folder.glob("*/*")) == []
