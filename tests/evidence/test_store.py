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
