"""Batches of pictures that corruptions alter one by one."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import generator

from onnx_ood.perturb import find_corruption, list_corruptions


@pytest.mark.parametrize("name", list_corruptions("demo"))
def test_pictures_that_are_not_floats_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="uint8"):
        find_corruption(name).at("demo")(np.zeros((8, 8, 3), np.uint8), generator())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list_corruptions("demo"))
def test_pictures_without_a_channel_axis_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\[H, W, C\]"):
        find_corruption(name).at("demo")(np.zeros((8, 8), np.float32), generator())
