"""The picture of a plane shows the classes, lines, norms and names of its result."""

from __future__ import annotations

from svg_parts import drawing, parts, texts

from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports.plane.picture import plane_picture


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
