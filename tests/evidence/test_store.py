"""Stored arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_ood.evidence.store import Store
from onnx_ood.exceptions import OutputError


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("key", {"a": np.arange(3.0)})
    found = store.find("key")
    assert found is not None
    np.testing.assert_array_equal(found["a"], [0, 1, 2])
    assert store.find("another key") is None
    # What a model doesn't have is known too.
    store.keep("nothing", {})
    assert store.find("nothing") == {}
    store.keep("objects", {"a": np.array([{}], object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        store.find("objects")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        Store(tmp_path / "file" / "folder")


def test_damaged_truncated_and_misplaced_files_are_ignored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("key", {"a": np.arange(5.0), "b": np.array([True])})
    (path,) = tmp_path.rglob("*.measured")
    whole = path.read_bytes()
    for content in (b"", whole[:20], whole[:-1], whole[:40] + b"x" + whole[41:], whole + b"x"):
        path.write_bytes(content)
        assert store.find("key") is None
    path.write_bytes(whole)
    found = Store(tmp_path).find("key")
    assert found is not None
    assert {name: array.tolist() for name, array in found.items()} == {"a": [0, 1, 2, 3, 4], "b": [True]}
    store.keep("other", {"a": np.zeros(1)})
    (other,) = set(tmp_path.rglob("*.measured")) - {path}
    other.write_bytes(whole)
    assert store.find("other") is None


def test_what_cannot_be_stored_ends_no_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    store.keep("key", {"a": np.zeros(1)})
    assert "cannot be written" in store.problem
    assert store.find("key") is None
