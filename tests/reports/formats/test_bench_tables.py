"""Tables of a benchmark against its numbers."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood.reports.formats.bench_tables import bench_tables


@pytest.mark.parametrize("bounds", [False, True])
def test_tables_have_every_auroc(benchmark_result: onnx_ood.BenchResult, bounds: bool) -> None:
    found = benchmark_result.corruptions
    assert found is not None
    main, mean, *each = bench_tables(benchmark_result, bounds=bounds)
    assert list(main.head) == ["detector", "mean", *(one.name for one in benchmark_result.sets)]
    for (name, cells), one in zip(main.rows, benchmark_result.detectors, strict=True):
        assert name == one.name
        assert [float(cell.split(" ")[0]) for cell in cells] == pytest.approx(
            [one.macro.value, *(metrics.auroc.value for metrics in one.metrics)], abs=5.01e-4
        )
        assert ("(" in cells[0]) == bounds
    for (name, cells), one in zip(mean.rows, found.detectors, strict=True):
        assert name == one.detector
        assert [float(cell) for cell in cells[1:]] == pytest.approx(
            [area.value for area in one.severities], abs=5.01e-4
        )
    assert len(each) == 3
    for table, one in zip(each, found.detectors, strict=True):
        assert one.detector in table.title
        for (name, cells), curve in zip(table.rows, one.curves, strict=True):
            assert name == curve.corruption
            assert [float(cell) for cell in cells] == pytest.approx(
                [area.value for area in curve.aurocs], abs=5.01e-4
            )


def test_without_corruptions_there_is_one_table(benchmark_result: onnx_ood.BenchResult) -> None:
    assert len(bench_tables(benchmark_result.model_copy(update={"corruptions": None}), bounds=False)) == 1
