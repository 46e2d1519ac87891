"""The picture of a benchmark shows the numbers of its result."""

from __future__ import annotations

from svg_parts import drawing, texts

import onnx_ood
from onnx_ood.reports.bench.picture import bench_picture


def test_names_and_means_are_in_the_legend(measured: onnx_ood.BenchResult) -> None:
    words = texts(drawing(bench_picture(measured)))
    for detector in measured.detectors:
        assert f"{detector.name} {detector.macro.value:.2f}" in words
        assert f"Scores of {detector.name}" in words
    assert "fashion_cnn.onnx" in words


def test_equal_results_give_equal_pictures(measured: onnx_ood.BenchResult) -> None:
    again = onnx_ood.BenchResult.model_validate_json(measured.model_dump_json(by_alias=True))
    assert bench_picture(again) == bench_picture(measured)
