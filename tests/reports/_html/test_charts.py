"""Charts and their keys, drawn as a standalone picture."""

from __future__ import annotations

import pytest
from svg_parts import drawing, parts

from onnx_ood.reports._html.charts import Figure, Frame, chart, line_key, square_key
from onnx_ood.reports._html.picture import FigureRow, picture


@pytest.mark.parametrize(
    ("key", "width"), [(square_key("a", fill="#123456"), 12), (line_key("a", "median"), 26)]
)
def test_names_of_keys_follow_their_swatches(key, width: int) -> None:
    one = Figure("f", [chart("c", "label", Frame(width=300, height=50))], [key, key])
    tree = drawing(picture("t", [], [FigureRow("", [one])]))
    swatches = [float(one.get("transform", "").split("(")[1].split()[0]) for one in parts(tree, "g", "cells")]
    names = [float(one.get("x", "")) for one in parts(tree, "text", "note")]
    assert [name - swatch for name, swatch in zip(names, swatches, strict=True)] == [width + 6] * 2
    assert swatches[1] > names[0] + 6
