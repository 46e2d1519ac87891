"""Terminal report of a preprocessing search, against its result."""

from __future__ import annotations

import pytest
from printing import report_of

import onnx_ood
from onnx_ood.reports.preprocess.terminal import print_preprocess
from onnx_ood.reports.report_options import ReportOptions


def test_the_first_line_is_what_to_use(result: onnx_ood.PreprocessResult) -> None:
    lines = report_of(print_preprocess, result, 200)
    assert lines[0] == "Undetermined; try these candidates and compare the results"
    # Every candidate that leads is an option, and there is never one alone.
    options = [line.split("  (")[0].strip() for line in lines if line.strip().startswith("--preprocess ")]
    assert options == [f"--preprocess {one.spec}" for one in result.possible[:6]]
    assert len(options) > 1
    assert not any("Use" in line for line in lines[:8])
    values = result.model_copy(update={"questions": result.questions[:1]})
    assert report_of(print_preprocess, values, 200)[0] == f"Use --preprocess {values.best.spec}"


def test_the_first_candidates_have_rows_and_the_others_are_counted(result: onnx_ood.PreprocessResult) -> None:
    lines = report_of(print_preprocess, result, 160)
    for question in result.questions:
        for place, one in enumerate(question.candidates):
            rows = [line for line in lines if line.split("  ")[0].strip(" *") == one.name]
            assert len(rows) == (place < 3)
    left_out = sum(len(question.candidates) - 3 for question in result.questions)
    assert any(f"{left_out} other candidates" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_any_width(result: onnx_ood.PreprocessResult, width: int) -> None:
    lines = report_of(print_preprocess, result, width)
    assert max(map(len, lines)) <= width
    assert result.best.spec in "".join(lines)


def test_details_have_all_candidates_and_the_legend(result: onnx_ood.PreprocessResult) -> None:
    lines = report_of(print_preprocess, result, 160, options=ReportOptions(verbose=True))
    for question in result.questions:
        for one in question.candidates:
            assert any(line.split("  ")[0].strip(" *") == one.name for line in lines)
    assert any("best first; * within noise of the first" in line for line in lines)
    assert any("broken <script>.png" in line for line in lines)
