"""Terminal report of a plane, against the numbers of its result."""

from __future__ import annotations

from pathlib import Path

import pytest
from printing import report_of

import onnx_ood
from onnx_ood.reports.plane.terminal import print_plane
from onnx_ood.reports.report_options import ReportOptions


def test_the_first_line_counts_classes_and_units(result: onnx_ood.PlaneResult) -> None:
    assert result.classes is not None
    count, switching = len(result.classes.found), result.probe.switching
    first = report_of(print_plane, result, 200)[0]
    assert first.startswith(f"{count} classes in the window, {switching} of 12 units switch, Jacobian norm ")
    none = result.model_copy(update={"classes": None, "jacobian": None})
    assert report_of(print_plane, none, 200)[0] == f"{switching} of 12 units switch"


@pytest.mark.parametrize("count", [2, 6, 100])
def test_classes_have_their_shares(result: onnx_ood.PlaneResult, count: int) -> None:
    assert result.classes is not None
    lines = report_of(print_plane, result, options=ReportOptions(top=count))
    start = next(i for i, line in enumerate(lines) if line.startswith("Classes in the window"))
    rows = [line.split() for line in lines[start:] if "%" in line and line.split()[0].isdigit()]
    shown = result.classes.found[:count]
    assert [(int(row[0]), float(row[1].strip("<%"))) for row in rows] == [
        (one.index, pytest.approx(100 * one.share, abs=0.51)) for one in shown
    ]
    others = len(result.classes.found) - len(shown)
    assert any(f"and {others} others" in line for line in lines) == (others > 0)


def test_inputs_are_named_with_their_answers(result: onnx_ood.PlaneResult) -> None:
    lines = report_of(print_plane, result, 60, options=ReportOptions(charts=(Path("a.svg"), Path("b.png"))))
    for name, point in zip("ABC", result.points, strict=True):
        (row,) = [line for line in lines if line.startswith(f"{name} ")]
        assert point.prediction is not None
        assert f" {point.prediction.index} " in row
        assert point.id[-12:] in row
    assert any("drawn in a.svg, b.png" in line for line in lines)
    assert max(map(len, lines)) <= 60
