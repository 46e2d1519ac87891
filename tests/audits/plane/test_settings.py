"""Settings of plane."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood.exceptions import UsageError


@pytest.mark.parametrize(
    "wrong",
    [
        {"directions": 1},
        {"resolution": 7},
        {"extent": -1.0},
        {"extent": float("nan")},
        {"seed": -1},
        {"units": 0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        onnx_ood.PlaneSettings(**wrong)
