"""Requests for values of model inputs."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.inputs import RowRequest


@pytest.mark.parametrize(("axis", "share"), [(0, (3, None)), (1, ("N", None)), (None, ("N", 3, None))])
def test_a_share_has_no_batch_axis(axis: int | None, share: tuple[int | str | None, ...]) -> None:
    assert RowRequest("x", ("N", 3, None), np.dtype("f4"), axis).share == share
