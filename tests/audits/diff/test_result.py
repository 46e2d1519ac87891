"""Changes beyond noise."""

from __future__ import annotations

import pytest

from onnx_ood.audits.diff.result import MetricChange


@pytest.mark.parametrize(
    ("low", "high", "beyond"),
    [
        (0.1, 0.3, True),
        (-0.3, -0.1, True),
        (-0.1, 0.1, False),
        (0.0, 0.1, False),
        (None, 0.1, None),
        (0.1, None, None),
    ],
)
def test_a_change_is_beyond_noise_if_its_interval_excludes_none(
    low: float | None, high: float | None, beyond: bool | None
) -> None:
    assert MetricChange(name="m", a=1, b=2, change=1, low=low, high=high).beyond_noise is beyond
