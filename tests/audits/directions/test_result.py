"""Counts of combinations."""

from __future__ import annotations

from onnx_ood.audits.directions.result import Counts


def test_settings_are_all_combinations() -> None:
    assert Counts(holds=3, flips=4, inconclusive=5).settings == 12
