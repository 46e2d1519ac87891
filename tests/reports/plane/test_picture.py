"""The picture of a plane shows the classes, lines, norms and names of its result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import small_models
from PIL import Image
from svg_parts import drawing, parts, texts

import onnx_ood
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports.formats.picture import write_picture
from onnx_ood.reports.plane.picture import plane_picture


@pytest.fixture(scope="module")
def result(save, tmp_path_factory) -> PlaneResult:
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    rotated = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    text = "flat (float[N, 2] x) => (float[N, 14] y) { g = Gemm (x, w, b) h = Relu (g) y = Gemm (h, v) }"
    model = small_models.build(
        text,
        {
            "w": small_models.normal(2, 12, seed=3),
            "b": small_models.normal(12, seed=4, scale=0.6),
            # Each class is the largest in one direction.
            "v": small_models.normal(2, 12, seed=6).T @ rotated,
        },
    )
    file = tmp_path_factory.mktemp("plane") / "x.npy"
    np.save(file, np.array([[0.25, -0.5], [1.5, 0.75], [-0.75, 1.0]], np.float32))
    return onnx_ood.plane(
        save(model), [str(file)], onnx_ood.PlaneSettings(resolution=60, directions=2, extent=2)
    )


def test_it_has_all_lines_and_names(result: PlaneResult) -> None:
    svg = plane_picture(result)
    tree = drawing(svg)
    words = " ".join(texts(tree))
    assert result.classes is not None
    assert len(result.classes.found) > 9
    assert f"class {result.classes.found[0].index}, " in words
    assert f"{len(result.classes.found) - 9} others, " in words
    assert "boundaries of 12 Relu units" in words
    assert "Norm of the Jacobian of softmax of y" in words
    for name, point in zip("ABC", result.points, strict=True):
        assert f"{name}: {point.id} (class {point.prediction.index} " in words
    (layer,) = parts(tree, "g", "of-layer")
    strokes = "".join(path.get("d", "") for path in parts(layer, "path")).count("M")
    assert strokes == len(result.probe.lines)
    classes = parts(tree, "g", "of-classes")
    assert ["".join(path.get("d", "") for path in parts(one, "path")).count("M") for one in classes] == [
        len(result.classes.lines)
    ] * 2
    assert len(svg.encode()) < 300_000


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
