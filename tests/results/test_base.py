"""What all results do: renderings, and short texts about themselves."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.results.base import dataframe


@pytest.fixture(scope="module")
def result() -> onnx_ood.ScoreResult:
    images, _ = models.fashion_samples()
    return onnx_ood.score(
        models.path("fashion_cnn"),
        images[:24],
        reference=images[24:60],
        detectors="energy,msp",
        provider="cpu",
    )


@pytest.fixture(scope="module")
def benched() -> onnx_ood.BenchResult:
    images, _ = models.fashion_samples()
    return onnx_ood.bench(
        models.path("fashion_cnn"),
        images[:30],
        {"inverted": 255 - images[:30]},
        detectors="energy,msp",
        synthetic_ood=False,
        provider="cpu",
    )


class _Frames(HTMLParser):
    """Documents in the frames of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "iframe":
            self.documents.append(dict(attrs)["srcdoc"] or "")


def test_json_is_read_again_as_it_was(result, benched, tmp_path):
    for one in (result, benched):
        one.to_json(tmp_path / "result.json")
        assert onnx_ood.read_result(tmp_path / "result.json") == one
        assert json.loads((tmp_path / "result.json").read_text())["status"] == one.status


def test_a_page_is_written_and_shown_in_a_notebook(result, tmp_path):
    result.to_html(tmp_path / "page.html", thumbnails=False)
    page = (tmp_path / "page.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    frames = _Frames()
    frames.feed(result._repr_html_())
    (document,) = frames.documents
    assert document.lower().startswith("<!doctype html>")
    assert all(entry.id in document for entry in result.inputs[:3])


def test_renderings_that_cannot_be_written(result, tmp_path):
    for write in (result.to_json, result.to_html):
        with pytest.raises(OutputError, match="no folder"):
            write(tmp_path / "no folder" / "file")


def test_a_representation_is_short_and_answers_first(result, benched):
    for one in (result, benched):
        lines = repr(one).splitlines()
        assert 2 <= len(lines) <= 10
        assert max(map(len, lines)) <= 120
        assert lines[0] == type(one).__name__
        # In full, answer first.
        shown = [line for line in str(one).splitlines() if line.strip()]
        assert shown[: len(lines) - 2] == lines[1:-1]
    assert f"{result.flagged} of {result.scored} inputs flagged" in repr(result).splitlines()[1]


def test_a_data_frame_holds_the_numbers_of_the_result(result, benched):
    pytest.importorskip("pandas")
    frame = result.to_dataframe()
    assert len(frame) == len(result.inputs)
    assert list(frame["id"]) == [entry.id for entry in result.inputs]
    np.testing.assert_array_equal(frame["p_value"], [entry.p_value for entry in result.inputs])
    for place, name in enumerate(("energy", "msp")):
        np.testing.assert_array_equal(
            frame[f"score:{name}"], [entry.scores[place] for entry in result.inputs]
        )
    table = benched.to_dataframe().set_index(["detector", "set"])
    for detector in benched.detectors:
        for metric in detector.metrics:
            assert table.loc[(detector.name, metric.set), "auroc"] == metric.auroc.value


def test_without_pandas_a_data_frame_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'onnx_ood\[pandas\]'"):
        dataframe([{"a": 1}])


def test_settings_are_stored_and_run_again_alike(result, tmp_path):
    images, _ = models.fashion_samples()
    result.to_json(Path(tmp_path) / "result.json")
    stored = onnx_ood.read_result(tmp_path / "result.json").settings
    again = onnx_ood.score(models.path("fashion_cnn"), images[:24], stored, reference=images[24:60])
    assert again.inputs == result.inputs
