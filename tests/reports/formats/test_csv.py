"""CSV text of results, read by the standard library, has the numbers of the results."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.formats.csv import bench_csv, score_csv


def test_bench_lines_have_all_numbers_in_full(benchmark_result: onnx_ood.BenchResult) -> None:
    rows = list(csv.DictReader(StringIO(bench_csv(benchmark_result))))
    means = {
        row["detector"]: float(row["auroc"]) for row in rows if (row["set"], row["severity"]) == ("mean", "")
    }
    assert means == {one.name: one.macro.value for one in benchmark_result.detectors}
    # The mean over sets, computed from the lines of single sets.
    for name, mean in means.items():
        single = [float(row["auroc"]) for row in rows if row["detector"] == name and row["fpr95"] != ""]
        assert len(single) == len(benchmark_result.sets)
        assert abs(np.mean(single) - mean) < 1e-12


def test_score_lines_have_inputs_and_failures(tmp_path: Path) -> None:
    images, _ = models.fashion_samples()
    rows = (np.asarray(images)[:6, np.newaxis] / 255).astype(np.float32)
    rows[2, 0, 0, 0] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    result = onnx_ood.score(models.path("fashion_cnn"), [str(tmp_path / "rows.npy")], copies=2)
    lines = list(csv.DictReader(StringIO(score_csv(result))))
    assert [line["id"] for line in lines[:5]] == [one.id for one in result.inputs]
    assert [line["failed"] != "" for line in lines] == [False] * 5 + [True]
    name = result.probes[0].name
    assert [float(line[f"drop:{name}"]) for line in lines[:5]] == [one.drop[0] for one in result.inputs]
