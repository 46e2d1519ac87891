"""Compiled loops where nothing can be kept on disk; what they compute is tested with the pair statistics."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.caching import CacheImpl

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
