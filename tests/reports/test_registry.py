"""Renderings found by the name of an audit."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from onnx_ood.cli.main import run
from svg_parts import drawing, parts, texts

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import UsageError
from onnx_ood.reports.registry import result_page, result_picture


@pytest.fixture(scope="module")
def inspected() -> onnx_ood.InspectResult:
    return onnx_ood.inspect(models.path("fashion_cnn"))


def test_results_without_charts_are_refused(inspected: onnx_ood.InspectResult, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="a result of inspect has no charts to draw; write its HTML page instead"
    ):
        result_picture(inspected)
    with pytest.raises(UsageError, match="has no charts"):
        inspected.to_picture(tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


def test_a_stored_result_is_drawn_as_by_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    images, _ = models.fashion_samples()
    np.save(tmp_path / "x.npy", (images[[60, 20, 0], np.newaxis] / 255).astype(np.float32))
    settings = onnx_ood.PlaneSettings(resolution=16, directions=2, units=8)
    result = onnx_ood.plane(models.path("fashion_cnn"), [str(tmp_path / "x.npy")], settings)
    result.to_picture(tmp_path / "python.svg")
    result.to_json(tmp_path / "result.json")
    assert run(["show", str(tmp_path / "result.json"), "--picture", str(tmp_path / "shown.svg")]) == 0
    assert capsys.readouterr().out == ""
    text = (tmp_path / "shown.svg").read_text()
    assert text == (tmp_path / "python.svg").read_text()
    tree = drawing(text)
    assert len(parts(tree, "g", "plane")) == 2
    assert any(line.startswith(f"A: {tmp_path}/x.npy[0]") for line in texts(tree))
    with pytest.raises(UsageError, match=r"written as \.svg or \.png"):
        result.to_picture(tmp_path / "plane.pdf")


def test_a_page_has_a_title_of_its_own_and_a_date_if_they_are_given(
    inspected: onnx_ood.InspectResult, tmp_path: Path
) -> None:
    plain = result_page(inspected)
    dressed = result_page(inspected, title="Week <48>", date=datetime.date(2026, 11, 30))
    assert "Week &lt;48&gt;" not in plain
    assert "30 November 2026" not in plain
    assert "<title>Week &lt;48&gt; · " in dressed
    assert '<b>Week &lt;48&gt;</b><time datetime="2026-11-30">30 November 2026</time>' in dressed
    assert result_page(inspected) == plain
    inspected.to_html(tmp_path / "x.html", title="Week <48>", date=datetime.date(2026, 11, 30))
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == dressed


def test_the_command_line_writes_the_date_and_a_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    page = tmp_path / "x.html"
    words = [
        "inspect",
        str(models.path("fashion_cnn")),
        "--html",
        str(page),
        "--title",
        "My model",
        "--quiet",
    ]
    assert run(words) == 0
    assert '<b>My model</b><time datetime="1970-01-02">2 January 1970</time>' in page.read_text(
        encoding="utf-8"
    )
