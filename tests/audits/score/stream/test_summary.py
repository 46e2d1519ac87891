"""Summaries of streams, against the formulas in the docs."""

import numpy as np
import pytest
from streams import SETTINGS, lines, score

from onnx_ood.audits.score.stream.summary import read_summary
from onnx_ood.exceptions import OutputError


def test_strangeness_follows_from_the_stream_by_the_formula_in_the_docs(collection, tmp_path):
    score(collection, tmp_path / "s.jsonl", SETTINGS.replaced(detectors=("deviation",)))
    found = lines(tmp_path / "s.jsonl")
    (floor,) = (
        np.array([probe["noise_floor"] for probe in record["probes"]])
        for record in found
        if record["record"] == "calibration"
    )
    rows = [record for record in found if record["record"] == "scored"]
    drops = np.maximum(np.array([row["drop"] for row in rows]), floor)
    errors = np.array([row["drop_error"] for row in rows]) / drops
    middle = np.median(np.log(drops), axis=0)
    spread = 1.4826 * np.median(np.abs(np.log(drops) - middle), axis=0)
    z = (np.log(drops) - middle) / np.sqrt(spread**2 + errors**2)
    expected = dict(zip((row["id"] for row in rows), np.sqrt((z**2).mean(axis=1)), strict=True))
    with read_summary(tmp_path / "s.jsonl") as summary:
        entries = list(summary.everything())
        ranked = summary.inputs()
    assert [entry.id for entry in entries] == [
        record["id"] for record in found if record["record"] in {"scored", "failed"}
    ]
    assert [entry.id for entry in ranked] == sorted(expected, key=expected.__getitem__, reverse=True)
    for entry in ranked:
        assert entry.deviation == pytest.approx(expected[entry.id], rel=1e-9)
    assert {entry.id: entry for entry in entries if hasattr(entry, "rank")} == {
        entry.id: entry for entry in ranked
    }


def test_a_long_run_lists_its_ends(collection, tmp_path):
    whole = score(collection)
    short = score(collection, tmp_path / "s.jsonl", most_listed=5)
    assert short.inputs == (*whole.inputs[:3], *whole.inputs[-2:])
    assert (short.scored, short.unscored) == (whole.scored, whole.unscored) == (24, 4)
    assert short.probes == whole.probes
    assert any(f"Of {whole.scored} scored inputs, 5 are listed" in note for note in short.notes)
    fewer = score(collection, tmp_path / "t.jsonl", most_listed=2)
    assert fewer.failed == whole.failed[:2]


def test_a_file_that_broke_off_in_its_first_line_is_no_run(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"record":"hea')
    with pytest.raises(OutputError, match="first line"), read_summary(tmp_path / "s.jsonl"):
        pass
    with pytest.raises(OutputError, match="no such file"), read_summary(tmp_path / "t.jsonl"):
        pass


def test_a_run_that_grows_out_of_memory_goes_on_in_temporary_files(collection, monkeypatch):
    whole = score(collection)
    monkeypatch.setattr("onnx_ood.audits.score.stream.stream._IN_MEMORY", 1000)
    monkeypatch.setattr("onnx_ood.audits.score.stream.summary._IN_MEMORY", 10)
    monkeypatch.setattr("onnx_ood.audits.score.stream.column_store._BLOCK_BYTES", 500)
    assert score(collection) == whole
