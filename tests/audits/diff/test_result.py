"""Changes beyond noise."""

from __future__ import annotations

import pytest

from onnx_ood.audits.diff.result import DiffResult, MetricChange


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


def test_the_table_has_a_row_per_metric() -> None:
    changes = (
        MetricChange(name="m", a=1, b=2, change=1, low=0.5, high=1.5),
        MetricChange(name="n", a=1, b=None, change=None, low=None, high=None),
    )
    frame = DiffResult(
        audit="bench", a="a", b="b", settings=(), metrics=changes, inputs=None, notes=()
    ).to_dataframe()
    assert frame["name"].tolist() == ["m", "n"]
    assert frame["change"].tolist()[0] == 1
    assert frame["beyond_noise"].tolist() == [True, None]
