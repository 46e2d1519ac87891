"""The table of a run against its JSON result."""

import json
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from pyarrow import parquet

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.audits.score.stream.summary import read_summary
from onnx_ood.exceptions import OutputError
from onnx_ood.reports.formats.parquet import check_pyarrow, write_parquet


@pytest.fixture(params=[1, 3])
def run(request, tmp_path):
    """Twenty garments, one that holds no numbers, one that is no array."""
    images, _ = models.fashion_samples()
    rows = (np.asarray(images)[:21, np.newaxis] / 255).astype(np.float32)
    rows[4, 0, 0, 0] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "broken.npy").write_bytes(b"no array")
    result = onnx_ood.score(
        models.path("fashion_cnn"),
        [str(tmp_path / "rows.npy"), str(tmp_path / "broken.npy")],
        ScoreSettings(copies=request.param, batch_size=6),
        streaming=Streaming(tmp_path / "s.jsonl"),
    )
    with (
        mock.patch("onnx_ood.reports.formats.parquet._ROWS_IN_GROUP", 8),
        read_summary(tmp_path / "s.jsonl") as summary,
    ):
        write_parquet(tmp_path / "t.parquet", summary)
    return result, tmp_path / "t.parquet"


def test_every_number_is_that_of_the_result(run):
    result, path = run
    rows = {row["id"]: row for row in parquet.read_table(path).to_pylist()}
    assert len(rows) == 22
    for failure in result.failed:
        row = rows[failure.id]
        assert row.pop("failed") == failure.reason
        assert {name for name, value in row.items() if value is not None} == {"id"}
    for entry in result.inputs:
        row = rows[entry.id]
        assert row["failed"] is None
        for name in ("copies", "rank", "deviation", "rotation", "published_score"):
            assert row[name] == getattr(entry, name)
        assert row["prediction"] == entry.prediction.index
        assert row["label"] == entry.prediction.label
        assert row["probability"] == entry.prediction.probability
        for column in ("drop", "drop_error", "distortion", "flip_rate", "deviation"):
            measure = "probe_deviations" if column == "deviation" else column
            assert [row[f"{column}:{probe.name}"] for probe in result.probes] == list(getattr(entry, measure))


def test_it_stands_for_itself_and_comes_in_groups(run):
    result, path = run
    file = parquet.ParquetFile(path)
    header = json.loads(file.schema_arrow.metadata[b"onnx_ood"])
    assert header["model"]["sha256"] == result.model.sha256
    groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    assert groups == [8, 8, 6]
    assert [path.name for path in path.parent.iterdir() if path.name.startswith(".")] == []


def test_a_table_that_cannot_be_written_is_one_line(run, tmp_path):
    with (
        read_summary(tmp_path / "s.jsonl") as summary,
        pytest.raises(OutputError, match="cannot be written"),
    ):
        write_parquet(tmp_path / "no folder" / "t.parquet", summary)


def test_without_pyarrow_the_way_out_is_named():
    with (
        mock.patch("onnx_ood.reports.formats.parquet.find_spec", return_value=None),
        pytest.raises(OutputError, match=r"pip install 'onnx_ood\[tables\]'"),
    ):
        check_pyarrow()


def test_pyarrow_is_imported_only_where_a_table_is_written():
    program = "import onnx_ood.reports.formats.parquet, sys; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
