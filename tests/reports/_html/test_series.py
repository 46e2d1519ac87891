"""Panels of several curves: where their points are, and which curve is in front."""

from __future__ import annotations

import re

import numpy as np
from svg_parts import corners, drawing, parts, texts

from onnx_ood.reports._html.charts import Figure
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports._html.scales import Scale
from onnx_ood.reports._html.series import FLAT, Series, series_keys, series_panel

ACROSS, UP = Scale(0, 10, 48, 222), Scale(0, 1, 150, 26)
CURVES = [
    Series([(0, 0.5), (5, 1.0), (10, 0.25)], "first", [(0, 0.4, 0.6), (10, 0.0, 0.5)]),
    Series([(0, 0.0), (10, 1.0)], "second"),
]


def panel(series: list[Series]):
    drawn = series_panel(
        "a title",
        "label",
        series,
        ACROSS,
        UP,
        frame=FLAT,
        ticks=[(48, "0")],
        axes=("x", "y"),
        guide=[(0, 0.5), (10, 0.5)],
    )
    return drawing(picture("t", [], [FigureRow("", [Figure("f", [drawn], series_keys(["one", "two"]))])]))


def test_points_are_where_the_scales_put_them() -> None:
    tree = panel(CURVES)
    for k, curve in enumerate(CURVES, 1):
        (path,) = parts(tree, "path", f"series-{k}")[:1]
        x, y = np.array(curve.points).T
        np.testing.assert_allclose(corners(path), np.stack([48 + 17.4 * x, 150 - 124 * y], axis=1), atol=0.05)
    (band,) = parts(tree, "path", "spread")
    expected = [[48, 150 - 124 * 0.6], [222, 150 - 124 * 0.5], [222, 150], [48, 150 - 124 * 0.4]]
    np.testing.assert_allclose(corners(band), expected, atol=0.05)


def test_the_first_curve_is_drawn_last() -> None:
    kinds = [
        path.get("class", "") for path in parts(panel(CURVES), "path") if "series" in path.get("class", "")
    ]
    assert [re.sub(r"\D", "", kind) for kind in kinds[:2]] == ["2", "1"]
    assert {"a title", "one", "two"} <= set(texts(panel(CURVES)))


def test_corners_that_cannot_be_told_apart_are_drawn_once() -> None:
    close = [(i / 1000, 0.5) for i in range(1000)]
    (path,) = parts(panel([Series(close, "many")]), "path", "series-1")[:1]
    x = corners(path)[:, 0]
    assert len(x) == len(set(x)) < 200
