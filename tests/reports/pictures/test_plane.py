"""Pictures of planes: what they show of a result."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import small_models
from PIL import Image

import onnx_ood
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports.pictures import draw_plane

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result(save, tmp_path_factory) -> PlaneResult:
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    turned = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    text = "flat (float[N, 2] x) => (float[N, 14] y) { g = Gemm (x, w, b) h = Relu (g) y = Gemm (h, v) }"
    model = small_models.build(
        text,
        {
            "w": small_models.normal(2, 12, seed=3),
            "b": small_models.normal(12, seed=4, scale=0.6),
            # Each class is the largest in one direction.
            "v": small_models.normal(2, 12, seed=6).T @ turned,
        },
    )
    file = tmp_path_factory.mktemp("plane") / "x.npy"
    np.save(file, np.array([[0.25, -0.5], [1.5, 0.75], [-0.75, 1.0]], np.float32))
    return onnx_ood.plane(
        save(model), [str(file)], onnx_ood.PlaneSettings(resolution=60, directions=2, extent=2)
    )


def test_the_svg_has_all_lines_and_names(result: PlaneResult, tmp_path: Path) -> None:
    draw_plane(tmp_path / "p.svg", result)
    root = ElementTree.fromstring((tmp_path / "p.svg").read_text())
    text = "".join(root.itertext())
    assert result.classes is not None
    assert len(result.classes.found) > 9
    assert f"class {result.classes.found[0].index}, " in text
    assert f"{len(result.classes.found) - 9} others, " in text
    assert "boundaries of 12 Relu units" in text
    assert "norm of the Jacobian of softmax of y" in text
    assert all(point.id[-30:] in text for point in result.points)
    # Lines are one path each set, with a beginning for each line.
    starts = sorted(path.get("d", "").count("M") for path in root.iter(f"{SVG}path"))
    assert len(result.probe.lines) in starts
    assert starts.count(len(result.classes.lines)) >= 2  # On both panels.
    # Both grids are pictures in the picture, not thousands of squares.
    assert len(list(root.iter(f"{SVG}image"))) >= 2
    assert (tmp_path / "p.svg").stat().st_size < 300_000


def test_the_png_is_coloured_by_class(result: PlaneResult, tmp_path: Path) -> None:
    draw_plane(tmp_path / "p.png", result.model_copy(update={"jacobian": None}))
    alone = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    draw_plane(tmp_path / "q.png", result)
    both = np.asarray(Image.open(tmp_path / "q.png").convert("RGB"))
    assert both.shape[1] == 2 * alone.shape[1]
    assert result.classes is not None
    # The colour of the most frequent class covers about its share of the panel, less what lines cover.
    colours, counts = np.unique(alone.reshape(-1, 3), axis=0, return_counts=True)
    by_colour = {
        tuple(colour): count for colour, count in zip(colours.tolist(), counts.tolist(), strict=True)
    }
    blue, yellow = by_colour[0x77, 0xAA, 0xDD], by_colour[0xEE, 0xDD, 0x88]
    first, second = result.classes.found[:2]
    assert blue / yellow == pytest.approx(first.share / second.share, rel=0.3)


def test_norms_that_are_zero_or_unknown_are_drawn(result: PlaneResult, tmp_path: Path) -> None:
    jacobian = result.jacobian
    assert jacobian is not None
    for value in (0.0, None, 2.5):
        norms = tuple(tuple(value for _ in row) for row in jacobian.norms)
        flat = result.model_copy(update={"jacobian": jacobian.model_copy(update={"norms": norms})})
        draw_plane(tmp_path / "p.svg", flat)
        assert ("0 everywhere" in (tmp_path / "p.svg").read_text()) == (not value)
