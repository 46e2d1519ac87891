"""Differences between benchmarks, from their published intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stored_results import read_json

import onnx_ood


def test_aurocs_are_compared_with_their_intervals(folder: Path) -> None:
    compared = onnx_ood.diff(folder / "bench-a.json", folder / "bench-b.json")
    a, b = ({one["name"]: one for one in read_json(folder, f"bench-{name}")["detectors"]} for name in "ab")
    metrics = {metric.name: metric for metric in compared.metrics}
    for detector in ("energy", "gen"):
        one, other = a[detector]["macro"], b[detector]["macro"]
        metric = metrics[f"AUROC {detector}, mean"]
        assert metric.change == pytest.approx(other["value"] - one["value"])
        wide = np.sqrt((other["high"] - other["value"]) ** 2 + (one["value"] - one["low"]) ** 2)
        assert metric.high == pytest.approx(metric.change + wide)
    assert len(metrics) == 4
