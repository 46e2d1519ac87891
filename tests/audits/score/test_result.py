"""Rows of a score."""

from __future__ import annotations

import numpy as np

import onnx_ood
from onnx_ood import models


def test_rows_have_every_input_and_then_the_failed_ones() -> None:
    images, _ = models.fashion_samples()
    rows = (images[:12, np.newaxis] / 255).astype(np.float32)
    rows[3, 0, 0, 0] = np.nan
    settings = onnx_ood.ScoreSettings(detectors=("msp", "energy"), copies=1)
    result = onnx_ood.score(models.path("fashion_cnn"), rows, settings)
    assert result.detectors == ("msp", "energy")
    assert result.model_copy(update={"detector_summary": None}).detectors == ()
    *scored, failed = result.rows()
    assert [row["id"] for row in scored] == [one.id for one in result.inputs]
    assert all(row.keys() == failed.keys() for row in scored)
    for row, one in zip(scored, result.inputs, strict=True):
        assert (row["msp"], row["energy"]) == one.scores
        assert one.prediction is not None
        assert row["probability"] == one.prediction.probability
    assert (failed["rank"], failed["msp"]) == (None, None)
    assert "NaN" in str(failed["failed"])
    frame = result.to_dataframe()
    assert len(frame) == 12
