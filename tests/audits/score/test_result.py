"""Rows of a score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest
from pyarrow import parquet

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import UsageError
from onnx_ood.reports.formats.parquet import write_parquet


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
        assert (row["score:msp"], row["score:energy"]) == one.scores
        assert one.prediction is not None
        assert row["probability"] == one.prediction.probability
        for place, probe in enumerate(result.probes):
            assert row[f"drop:{probe.name}"] == one.drop[place]
            assert one.probe_deviations is not None
            assert row[f"deviation:{probe.name}"] == one.probe_deviations[place]
    assert (failed["rank"], failed["score:msp"]) == (None, None)
    assert "NaN" in str(failed["failed"])
    frame = result.to_dataframe()
    assert len(frame) == 12
    assert (len(result), result[0], list(result)) == (11, result.inputs[0], list(result.inputs))
    assert onnx_ood.ScoreResult.model_validate(result.model_dump(by_alias=True)) == result


def test_columns_are_the_same_in_all_tables(tmp_path: Path) -> None:
    images, _ = models.fashion_samples()
    rows = (images[:12, np.newaxis] / 255).astype(np.float32)
    rows[3, 0, 0, 0] = np.nan
    settings = onnx_ood.ScoreSettings(detectors=("msp",), copies=2)
    stream = onnx_ood.Streaming(tmp_path / "s.jsonl")
    result = onnx_ood.score(models.path("fashion_cnn"), rows, settings, streaming=stream)
    result.to_csv(tmp_path / "t.csv")
    with onnx_ood.read_summary(stream.path) as summary:
        write_parquet(tmp_path / "t.parquet", summary)
    frame, table = result.to_dataframe(), parquet.read_table(tmp_path / "t.parquet").to_pandas()
    text = pandas.read_csv(tmp_path / "t.csv")
    assert list(frame.columns) == list(table.columns) == list(text.columns)
    expected, *others = (
        one.set_index("id").loc[frame["id"]].astype(object).where(lambda each: each.notna(), None)
        for one in (frame, table, text)
    )
    for other in others:
        pandas.testing.assert_frame_equal(other, expected, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [{"detectors": "auto"}, {"detectors": ("auto", "energy"), "copies": 2}])
@pytest.mark.parametrize("referenced", [False, True])
def test_frames_have_one_dtype_per_column_whatever_was_measured(
    tmp_path: Path, settings: dict[str, object], referenced: bool
) -> None:
    images, _ = models.fashion_samples()
    rows = (images[:12, np.newaxis] / 255).astype(np.float32)
    rows[3, 0, 0, 0] = np.nan
    rows[5] = np.random.default_rng(0).random((1, 28, 28))
    reference = (images[12:60, np.newaxis] / 255).astype(np.float32) if referenced else None
    stream = onnx_ood.Streaming(tmp_path / "s.jsonl")
    result = onnx_ood.score(
        models.path("fashion_cnn"), rows, reference=reference, streaming=stream, fpr=0.2, **settings
    )
    with onnx_ood.read_summary(stream.path) as summary:
        write_parquet(tmp_path / "t.parquet", summary)
    texts = {"id", "rotation", "label", "failed"}
    for frame in (result.to_dataframe(), pandas.read_parquet(tmp_path / "t.parquet")):
        assert frame["flagged"].dtype == "boolean"
        assert sorted(frame[frame.flagged]["id"]) == sorted(one.id for one in result.flagged_inputs)
        assert bool(result.flagged_inputs) == referenced
        numbers = frame.drop(columns=[*texts, "flagged"])
        assert set(numbers.dtypes.map(str)) == {"float64"}
        assert np.isnan(numbers.iloc[list(frame["id"]).index(result.failed[0].id)].to_numpy()).all()
        if "copies" not in settings:
            assert np.isnan(frame["deviation"].to_numpy()).all()


@pytest.mark.parametrize("empty", [None, [], ""], ids=["none", "list", "folder"])
def test_empty_inputs_are_refused_before_anything_is_measured(tmp_path: Path, empty: object) -> None:
    inputs = str(tmp_path) if empty == "" else empty
    message = "contains no supported file" if empty == "" else "^inputs are empty; give at least one$"
    with pytest.raises(UsageError, match=message):
        # The model is missing, too: it is read after the inputs.
        onnx_ood.score(tmp_path / "no.onnx", inputs)
    with pytest.raises(UsageError, match=message):
        onnx_ood.sensitivity(models.path("fashion_cnn"), inputs)
    auditor = onnx_ood.fit(models.path("fashion_cnn"), detectors="energy", provider="cpu")
    with pytest.raises(UsageError, match=message):
        auditor.score(inputs)
