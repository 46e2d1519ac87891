"""Terminal report of a benchmark, against the numbers of its result."""

from __future__ import annotations

import pytest
from printing import report_of

import onnx_ood
from onnx_ood.reports.bench.terminal import print_bench
from onnx_ood.reports.report_options import ReportOptions


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_best_detector_comes_first_and_each_set_has_a_row(
    measured: onnx_ood.BenchResult, width: int
) -> None:
    lines = report_of(print_bench, measured, width)
    best = measured.detectors[0]
    first = " ".join(line.strip() for line in lines[:4])
    near = any(one.gap_to_best.low <= 0 for one in measured.detectors[1:])
    praise = "comes first" if near else "is the best"
    assert f"{best.name} {praise} of 3 detectors: mean AUROC {best.macro.value:.2f}" in first
    assert ("not distinguishable from" in first) == near
    assert f"lowest on {measured.worst_set(best).set}" in first
    for place, one in enumerate(measured.sets):
        (row,) = [line for line in lines if line.split() and line.split()[0] == one.name]
        assert float(row.split()[1].strip("()")) == round(best.metrics[place].auroc.value, 2)
    assert max(map(len, lines)) <= width


def test_details_have_every_detector_and_what_was_left_out(measured: onnx_ood.BenchResult) -> None:
    left_out = measured.model_copy(update={"not_applicable": {"vim": "the model has no features"}})
    brief, verbose = (
        "\n".join(report_of(print_bench, left_out, 120, options=ReportOptions(verbose=verbose)))
        for verbose in (False, True)
    )
    assert "1 detector left out; --verbose says why" in brief
    assert "the model has no features" in verbose
    assert "vim" in verbose
    for one in measured.detectors:
        assert f"{one.macro.low:.2f}-{one.macro.high:.2f}" in verbose


def test_too_few_inputs_are_not_evaluated(measured: onnx_ood.BenchResult) -> None:
    few = measured.model_copy(update={"status": "not_evaluated", "id": 4})
    assert report_of(print_bench, few)[0].startswith("Not evaluated: there are 4 in-distribution inputs")
