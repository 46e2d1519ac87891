"""Severity curves on a terminal, against the AUROCs of the result."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from printing import lines_of
from rich.console import Console

import onnx_ood
from onnx_ood.reports.bench.severity_curves import corruption_tables


@pytest.mark.parametrize("width", [50, 120])
def test_each_detector_and_corruption_has_its_aurocs(measured: onnx_ood.BenchResult, width: int) -> None:
    found = measured.corruptions
    assert found is not None
    detectors, corruptions, notes = corruption_tables(Console(file=StringIO(), width=width), found)
    assert detectors is not None
    assert corruptions is not None
    rows = {one.detector: [one.mean, *one.severities] for one in found.detectors}
    lines = lines_of(detectors, width)
    for name, areas in rows.items():
        (row,) = [line for line in lines if line.startswith(f"{name} ")]
        numbers = re.findall(r"(?<![-\d.])\d\.\d\d(?![-\d])", row)
        assert numbers == [f"{area.value:.2f}" for area in areas]
    lines = lines_of(corruptions, width)
    for curve in found.detectors[0].curves:
        (row,) = [line for line in lines if line.startswith(f"{curve.corruption} ")]
        numbers = re.findall(r"\d\.\d\d", row)[:5]
        assert numbers == [f"{area.value:.2f}" for area in curve.aurocs]
    assert notes is None


def test_corruptions_that_were_left_out_are_noted(measured: onnx_ood.BenchResult) -> None:
    found = measured.corruptions
    assert found is not None
    changed = found.model_copy(update={"left_out": {"saturate": "needs colour"}, "notes": ("a note",)})
    notes = corruption_tables(Console(file=StringIO(), width=80), changed)[-1]
    assert notes is not None
    assert lines_of(notes) == ["- saturate: needs colour", "- a note"]
