"""Settings of directions."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood.exceptions import UsageError


@pytest.mark.parametrize(("given", "scales"), [(0.5, (0.5,)), ([0.1, 2], (0.1, 2.0)), ((1,), (1.0,))])
def test_scales_are_a_number_or_several(given: object, scales: tuple[float, ...]) -> None:
    assert onnx_ood.DirectionsSettings(scales=given).scales == scales


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scales": (0.1, 0.1)}, "one is given twice"),
        ({"scales": ()}, "scales"),
        ({"scales": (0.0,)}, "scales"),
        ({"scales": float("inf")}, "scales"),
        ({"site": "x", "feeds": {"x": "1"}}, "'x' is nudged"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        onnx_ood.DirectionsSettings(**wrong)
