"""Compiled loops where nothing can be kept on disk; what they compute is tested with the pair statistics."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.caching import CacheImpl
from numba.core.caching import FunctionCache as _Cache

from onnx_ood.runtime.kernels import pair_sums as kernels


def test_without_a_writable_folder_loops_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # What numba finds where neither the package's folder nor the user's can be written to.
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    a, b = np.array([[1.0, -2.0, 3.0]], np.float32), np.array([[-1.0, -2.0, 5.0]], np.float32)
    kernels.compiled.cache_clear()
    try:
        squares, active = kernels.clean_sums(a)
        products, distances, flips = kernels.pair_sums(a, b)
    finally:
        kernels.compiled.cache_clear()
    assert (squares[0], active[0]) == (14, 2)
    assert (products[0], distances[0], flips[0]) == (-2 + 6, 4 + 4, 1)


def test_loops_that_cannot_be_stored_are_compiled_once_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[object] = []

    def full(_: object, signature: object, *__: object) -> None:
        stored.append(signature)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_Cache, "save_overload", full)
    monkeypatch.setattr(_Cache, "load_overload", lambda *_: None)
    loop = kernels.compiled.__wrapped__(kernels._clean_sums)
    for _ in range(2):
        squares, active = loop(np.array([[1.0, -2.0, 3.0]], np.float32))
        assert (squares[0], active[0]) == (14, 2)
    assert len(stored) == 1
