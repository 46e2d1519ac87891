"""The picture of the preprocess audit shows the numbers of its result."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from svg_parts import drawing, parts

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.preprocess.picture import preprocess_picture


def test_candidates_are_where_their_gaps_are(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("photos")
    images, _ = models.fashion_samples()
    for i in range(40):
        Image.fromarray(images[3 * i]).save(folder / f"{i:02}.png")
    result = onnx_ood.preprocess(
        models.path("fashion_cnn"), [str(folder)], onnx_ood.PreprocessSettings(limit=40, seed=1)
    )
    charts = parts(drawing(preprocess_picture(result)), "g", "behind")
    assert len(charts) == len(result.questions) > 0
    for chart, question in zip(charts, result.questions, strict=True):
        marks = [one for one in parts(chart, "text", "tick") if one.get("text-anchor") == "middle"]
        slope, start = np.polyfit(
            [float(one.text or "") for one in marks], [float(one.get("x", "")) for one in marks], 1
        )
        drawn = [(float(one.get("cx", "")) - start) / slope for one in parts(chart, "circle")]
        gaps = np.array([one.gap.value for one in question.candidates])
        # Gaps beyond the axis are drawn at its end.
        np.testing.assert_allclose(drawn, np.minimum(gaps, max(drawn)), atol=0.01 * max(drawn) + 1e-9)
        assert max(drawn) > 0
