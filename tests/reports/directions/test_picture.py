"""The picture of the directions audit shows the numbers of its result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from svg_parts import drawing, parts, texts, ticks

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.directions.picture import directions_picture


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.DirectionsResult:
    folder: Path = tmp_path_factory.mktemp("garments")
    images, _ = models.fashion_samples()
    for i in range(12):
        Image.fromarray(images[7 * i]).save(folder / f"{i:02}.png")
    settings = onnx_ood.DirectionsSettings(scales=(0.02, 0.125), seed=2)
    return onnx_ood.directions(models.path("fashion_cnn"), [str(folder)], {}, settings)


def test_bars_and_curves_have_the_numbers_of_the_result(result: onnx_ood.DirectionsResult) -> None:
    tree = drawing(directions_picture(result))
    (shares,) = parts(tree, "g", "shares")
    total = sum(float(one.get("width", "")) for one in parts(shares, "rect"))
    for kind, name in (("holds", "holds"), ("flips", "flips"), ("nothing", "inconclusive")):
        width = sum(float(one.get("width", "")) for one in parts(shares, "rect", kind))
        share = np.mean([getattr(one.counts, name) / one.counts.settings for one in result.sets])
        assert width / total == pytest.approx(share, abs=1e-3)
    curves = parts(tree, "g", "curve")
    assert len(curves) == len(result.sets)
    for chart, one in zip(curves, result.sets, strict=True):
        slope, start = ticks(chart, upright=True)
        heights = np.array([float(circle.get("cy", "")) for circle in parts(chart, "circle")])
        means = [
            np.mean([each.auroc for each in one.settings if each.layer == layer.name])
            for layer in result.layers
        ]
        np.testing.assert_allclose((heights - start) / slope, means, atol=1e-3)
    assert {one.name for one in result.sets} <= set(texts(tree, "figure-title"))
