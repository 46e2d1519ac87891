"""Markdown tables have the numbers of the benchmark."""

from __future__ import annotations

import onnx_ood
from onnx_ood.reports.formats.markdown_tables import bench_markdown


def test_rows_have_means_and_bounds(benchmark_result: onnx_ood.BenchResult) -> None:
    first, *_ = bench_markdown(benchmark_result).split("\n\n")
    head, rule, *rows = [line.strip("| ").split(" | ") for line in first.splitlines()]
    assert head == ["detector", "mean", *(one.name for one in benchmark_result.sets)]
    assert rule[0].count("|") == len(head) - 1
    for row, one in zip(rows, benchmark_result.detectors, strict=True):
        macro = one.macro
        assert row[:2] == [f"`{one.name}`", f"{macro.value:.3f} ({macro.low:.3f}–{macro.high:.3f})"]
        assert len(row) == len(head)
