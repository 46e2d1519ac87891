"""Maps of a plane against its classes, lines and norms."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from svg_parts import drawing, parts

from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports.formats.picture import write_picture
from onnx_ood.reports.plane.picture import plane_picture


def test_lines_have_the_same_width_whatever_the_grid(result: PlaneResult) -> None:
    for kind, width in (("of-layer", 0.6), ("of-classes", 1.8)):
        for group in parts(drawing(plane_picture(result)), "g", kind):
            scale = float(re.search(r"scale\(([\d.]+) ", group.get("transform", ""))[1])
            assert float(group.get("stroke-width", "")) * scale == pytest.approx(width, rel=0.01)


def test_areas_of_the_png_are_shares_of_classes(result: PlaneResult, tmp_path: Path) -> None:
    bare = result.model_copy(update={"jacobian": None})
    assert bare.classes is not None
    # Without lines on them, areas are exact up to the edges of cells.
    layer = bare.probe.model_copy(update={"lines": ()})
    classes = bare.classes.model_copy(update={"lines": ()})
    svg = plane_picture(bare.model_copy(update={"probe": layer, "classes": classes}))
    write_picture(tmp_path / "p.png", svg)
    pixels = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    root = drawing(svg)
    assert pixels.shape[:2] == (2 * int(root.get("height", "")), 2 * int(root.get("width", "")))
    answers = np.array(bare.classes.answers)
    counts = [
        (pixels == np.array(colour)).all(axis=-1).sum()
        for colour in ((0x77, 0xAA, 0xDD), (0xEE, 0xDD, 0x88), (0x44, 0xBB, 0x99))
    ]
    expected = [(answers == one.index).sum() for one in bare.classes.found[:3]]
    # The three inputs and the legend's swatches cover and add a little.
    for count, share in zip(counts[1:], expected[1:], strict=True):
        assert count / counts[0] == pytest.approx(share / expected[0], rel=0.1)


def test_norms_that_are_zero_or_unknown_are_drawn(result: PlaneResult) -> None:
    jacobian = result.jacobian
    assert jacobian is not None
    for value, level in ((0.0, "level-1"), (None, "unknown"), (2.5, "level-8")):
        norms = tuple(tuple(value for _ in row) for row in jacobian.norms)
        flat = result.model_copy(update={"jacobian": jacobian.model_copy(update={"norms": norms})})
        tree = drawing(plane_picture(flat))
        levels = {
            name
            for path in parts(tree, "path")
            for name in path.get("class", "").split()
            if name.startswith(("level-", "unknown"))
        }
        assert levels == {level}
