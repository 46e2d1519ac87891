"""LaTeX tabulars have as many cells as columns, and escaped names."""

from __future__ import annotations

import re

import onnx_ood
from onnx_ood.reports.formats.latex import bench_latex


def test_tabulars_are_complete_and_escaped(benchmark_result: onnx_ood.BenchResult) -> None:
    named = benchmark_result.detectors[0].model_copy(update={"name": "a_b&c%"})
    result = benchmark_result.model_copy(update={"detectors": (named, *benchmark_result.detectors[1:])})
    text = bench_latex(result)
    tabulars = re.findall(r"\\begin\{tabular\}\{(l?r*)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tabulars) == text.count(r"\begin{tabular}") > 1
    for columns, body in tabulars:
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert all(len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1 for line in lines)
    assert rf"a\_b\&c\% & {named.macro.value:.3f} & " in text
