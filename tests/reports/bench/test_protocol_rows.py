"""Rows of a protocol, and their place in terminal and page."""

from __future__ import annotations

import shlex

import protocol_folders
import pytest
from page_parts import parsed, text
from printing import report_of

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.bench.result import BenchInterval
from onnx_ood.reports.bench.page import bench_page, command
from onnx_ood.reports.bench.protocol_rows import percent_interval, protocol_rows
from onnx_ood.reports.bench.terminal import print_bench
from onnx_ood.reports.report_options import ReportOptions


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.BenchResult:
    data = protocol_folders.write_data(tmp_path_factory.mktemp("data"))
    return onnx_ood.bench(
        models.path("fashion_cnn"), data, protocol="cifar10", detectors="gen,entropy", provider="cpu"
    )


def test_rows_hold_own_and_published_numbers_in_percent(result: onnx_ood.BenchResult) -> None:
    assert result.protocol is not None
    rows = {row.name: row for row in protocol_rows(result.protocol)}
    for one in result.protocol.detectors:
        assert one.near is not None
        near = one.near.auroc
        assert rows[one.name].near == f"{near.value:.2%} ({near.low:.1%}-{near.high:.1%})".replace("%", "")
        assert rows[one.name].near_fpr == f"{one.near.fpr95.value:.2%}".removesuffix("%")
    # From results/cifar10.csv of the leaderboard; entropy is not in it.
    assert (rows["gen"].published_near, rows["gen"].published_far) == ("88.20 ±0.30", "91.35 ±0.69")
    assert (rows["entropy"].published_near, rows["entropy"].published_far) == ("", "")


def test_a_detector_with_several_sources_of_references_names_them(result: onnx_ood.BenchResult) -> None:
    protocol = result.protocol
    assert protocol is not None
    first = protocol.detectors[0].model_copy(update={"name": "auto"})
    given = first.model_copy(update={"reference": "given", "far": None})
    bundled = first.model_copy(update={"reference": "bundled"})
    rows = protocol_rows(protocol.model_copy(update={"detectors": (given, bundled, first)}))
    assert [row.name for row in rows] == [
        "auto (references)",
        "auto (bundled photos)",
        "auto (no references)",
    ]
    assert (rows[0].far, rows[0].far_fpr) == ("", "")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_shows_the_means_and_names_missing_sets(
    result: onnx_ood.BenchResult, width: int
) -> None:
    assert result.protocol is not None
    lines = report_of(print_bench, result, width, options=ReportOptions(verbose=True))
    assert max(map(len, lines)) <= width
    flat = " ".join(" ".join(lines).split())
    assert "Missing far sets: Textures, Places365" in flat
    assert "OpenOOD v1.5, CIFAR-10, accuracy " in flat
    if width == 120:
        for row in protocol_rows(result.protocol):
            assert any(row.near in line and row.far in line and row.near_fpr in line for line in lines)


def test_the_page_has_means_sets_and_metrics_by_set(result: onnx_ood.BenchResult) -> None:
    assert result.protocol is not None
    shown = text(parsed(bench_page(result)))
    for row in protocol_rows(result.protocol):
        assert all(cell in shown for cell in row)
    assert "Missing far sets: Textures, Places365" in shown
    assert "35,195" in shown
    for one in result.protocol.detectors:
        for metrics in one.sets.values():
            assert percent_interval(metrics.aupr_out) in shown
    assert result.protocol.published_source in shown
    words = shlex.split(command(result).replace("\\\n", " "))
    assert words[2:5] == [result.model.path, "--id", "DATA"]
    assert "--ood" not in words
    assert words[words.index("--protocol") + 1] == "cifar10"


def test_intervals_in_percent() -> None:
    assert percent_interval(BenchInterval(value=0.5, low=0.25, high=1.0)) == "50.00 (25.0-100.0)"
