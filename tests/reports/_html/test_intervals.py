"""Rows of values with intervals, to scale."""

from __future__ import annotations

import re

import pytest
from svg_parts import drawing, parts, texts, ticks

from onnx_ood.reports._html.intervals import Interval, interval_figure
from onnx_ood.reports._html.picture import FigureRow, picture

ROWS = [Interval("best", 0.8, 0.9, 0.95, "tip"), Interval("far", -0.5, 0.2, 1.5, "tip")]


def test_points_and_lines_are_at_their_values_and_end_at_the_axis() -> None:
    figure = interval_figure("means", "t", "l", ROWS, (0.0, 1.0), axis="AUROC", guide=0.5, words="a note")
    tree = drawing(picture("t", [], [FigureRow("", [figure])]))
    (chart,) = parts(tree, "g", "means")
    slope, start = ticks(chart, upright=False)
    centres = [(float(one.get("cx", "")) - start) / slope for one in parts(chart, "circle")]
    assert centres == pytest.approx([0.9, 0.2], abs=1e-3)
    ends = [
        tuple((float(x) - start) / slope for x in re.findall(r"[MH]([\d.]+)", one.get("d", "")))
        for one in parts(chart, "path", "range")
    ]
    assert ends[0] == pytest.approx((0.8, 0.95), abs=1e-3)
    assert ends[1] == pytest.approx((0.0, 1.0), abs=1e-3)
    (guide,) = parts(chart, "path", "floor")
    assert (float(re.findall(r"M([\d.]+)", guide.get("d", ""))[0]) - start) / slope == pytest.approx(
        0.5, abs=1e-3
    )
    heights = [float(one.get("cy", "")) for one in parts(chart, "circle")]
    assert heights[0] < heights[1]
    assert {"best", "far", "AUROC", "a note"} <= set(texts(tree))
