"""Outlines against the cells that they enclose."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onnx_ood.reports._html.regions import outline


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_hold_their_cells_and_no_others(cells):
    """By a ray from the middle of each cell, which crosses upright sides as often as it goes in and out."""
    sides = []
    for loop in outline(cells).split("z")[:-1]:
        x, y = map(int, re.match(r"M(\d+) (\d+)", loop).groups())
        for way, length in re.findall(r"([hv])(-?\d+)", loop):
            if way == "v":
                sides.append((x, *sorted((y, y + int(length)))))
            x, y = (x + int(length), y) if way == "h" else (x, y + int(length))
        assert loop.startswith(f"M{x} {y}")
    for row, column in np.ndindex(cells.shape):
        crossed = sum(x <= column and low <= row < high for x, low, high in sides)
        assert crossed % 2 == cells[row, column]
