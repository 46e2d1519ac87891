"""Indices of the largest elements of windows, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import small_models
from running import run

import onnx_ood
from onnx_ood.graph import rewrite, with_pool_indices

Save = Callable[..., Path]


def test_indices_are_those_of_the_largest_elements(save: Save) -> None:
    model = small_models.build(
        "g (float[N, 3, 4, 4] x) => (y) { y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) }"
    )
    extended, added = with_pool_indices(onnx_ood.load(save(model)), ["y"])
    assert list(added) == ["y"]
    names = rewrite(extended, [added["y"].indices, added["y"].shape]).outputs
    x = small_models.normal(2, 3, 4, 4, seed=8)
    values = run(rewrite(extended, names).proto, {"x": x})
    np.testing.assert_array_equal(values[added["y"].shape], x.shape)
    windows = x.reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(2, 3, 2, 2, 4)
    np.testing.assert_array_equal(x.ravel()[values[added["y"].indices]], windows.max(axis=-1))
    np.testing.assert_array_equal(values["y"], windows.max(axis=-1))
