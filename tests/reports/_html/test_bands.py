"""Curves in their bands, at the places of their values."""

from __future__ import annotations

import numpy as np
import pytest
from svg_parts import corners, drawing, parts

from onnx_ood.reports._html.bands import FRAME, Band, band_chart, band_places
from onnx_ood.reports._html.charts import Figure
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports._html.scales import Scale


def test_the_band_lies_between_its_ends_and_the_points_on_the_curve() -> None:
    bands = [Band(i, i + 1.0, i + 3.0, f"place {i}") for i in range(4)]
    up = Scale(0, 10, FRAME.bottom, FRAME.top)
    chart = band_chart("curve", "label", bands, up, upright="y", ticks=[(60, "0")], level="x")
    tree = drawing(picture("t", [], [FigureRow("", [Figure("f", [chart])])]))
    width, height = FRAME.right - FRAME.left, FRAME.bottom - FRAME.top
    x = FRAME.left + width * np.array([1, 3, 5, 7]) / 8

    def places(values: list[float]) -> np.ndarray:
        return np.stack([x, FRAME.bottom - height * np.array(values) / 10], axis=1)

    (band,), (line,) = parts(tree, "path", "band"), parts(tree, "path", "median")
    np.testing.assert_allclose(corners(line), places([1, 2, 3, 4]), atol=0.06)
    np.testing.assert_allclose(corners(band)[:4], places([3, 4, 5, 6]), atol=0.06)
    np.testing.assert_allclose(corners(band)[4:], places([0, 1, 2, 3])[::-1], atol=0.06)
    assert [float(one.get("cx", "")) for one in parts(tree, "circle")] == pytest.approx(x)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_places_are_even_and_inside_the_frame(count: int) -> None:
    places = band_places(count)
    assert len(places) == count
    np.testing.assert_allclose(np.diff(places), (FRAME.right - FRAME.left) / count)
    assert sum(places) / count == pytest.approx((FRAME.left + FRAME.right) / 2)
