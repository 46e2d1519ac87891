"""Renderings of results as methods."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

import onnx_ood
from onnx_ood import _rendering, models
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.results.registry import read_result


@pytest.fixture(scope="module")
def result() -> onnx_ood.InspectResult:
    return onnx_ood.inspect(models.path("fashion_cnn"))


def test_a_notebook_frames_the_page(result: onnx_ood.InspectResult) -> None:
    page = _rendering.html_page(result)
    frame = _rendering.notebook_html(result)
    start, end = frame.index('srcdoc="') + len('srcdoc="'), frame.index('" width=')
    assert unescape(frame[start:end]) == page
    assert 'sandbox="allow-scripts"' in frame


def test_json_and_text_are_those_of_the_commands(result: onnx_ood.InspectResult, tmp_path: Path) -> None:
    result.to_json(tmp_path / "x.json")
    assert read_result(tmp_path / "x.json") == result
    text = _rendering.report_text(result)
    assert "fashion_cnn.onnx" in text
    assert "\x1b" not in text


def test_files_are_written_or_refused(result: onnx_ood.InspectResult, tmp_path: Path) -> None:
    for write in (_rendering.write_json, _rendering.write_page):
        with pytest.raises(OutputError):
            write(tmp_path / "missing" / "x", result)
    with pytest.raises(UsageError, match=r"x\.txt"):
        _rendering.write_picture(tmp_path / "x.txt", result)
    with pytest.raises(UsageError, match="no charts"):
        _rendering.write_picture(tmp_path / "x.svg", result)
