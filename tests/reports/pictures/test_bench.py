"""The pictures of a benchmark show the numbers of its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.integrate import trapezoid

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.bench.result import BenchScores
from onnx_ood.exceptions import OutputError
from onnx_ood.reports.pictures import check_picture_folder, draw_bench
from onnx_ood.reports.pictures.bench import draw_corruptions, draw_roc, draw_scores


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.BenchResult:
    images, _ = models.fashion_samples()
    folder = tmp_path_factory.mktemp("garments")
    for i, image in enumerate(images[:24]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    settings = onnx_ood.BenchSettings(
        detectors=("msp", "energy", "ash"), corruptions=("fog", "text"), scores=True, provider="cpu"
    )
    return onnx_ood.bench(models.path("fashion_cnn"), [str(folder)], None, settings)


@pytest.fixture
def figure(monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure that is drawn on, in place of a file."""
    figure = Figure()

    @contextmanager
    def drawing(_path: Path, _width: float, _height: float) -> Iterator[Figure]:
        yield figure

    monkeypatch.setattr("onnx_ood.reports.pictures.bench.drawing", drawing)
    return figure


def test_areas_below_roc_curves_are_the_aurocs(result: onnx_ood.BenchResult, figure: Figure) -> None:
    draw_roc(result.detectors, "title", Path("x.svg"))
    first = result.detectors[0]
    names = ["mean over sets", *(one.set.replace("_", " ") for one in first.metrics)]
    assert [axes.get_title() for axes in figure.axes] == names
    for axes, place in zip(figure.axes, range(-1, len(first.metrics)), strict=True):
        _, *lines = axes.lines
        for line, detector in zip(lines, result.detectors, strict=True):
            expected = detector.macro if place < 0 else detector.metrics[place].auroc
            assert abs(trapezoid(line.get_ydata(), line.get_xdata()) - expected.value) < 1e-12
            assert line.get_label() == f"{detector.name} {detector.macro.value:.2f}"
    assert len({(line.get_color(), str(line.get_linestyle())) for line in lines}) == len(lines)


def test_histograms_hold_all_scores(result: onnx_ood.BenchResult, figure: Figure) -> None:
    detector = result.detectors[1]
    draw_scores(detector, "title", Path("x.svg"))
    assert detector.scores is not None
    assert len(figure.axes) == len(detector.metrics)
    for axes, figures in zip(figure.axes, detector.metrics, strict=True):
        assert axes.get_title() == f"{figures.set.replace('_', ' ')}\nAUROC {figures.auroc.value:.2f}"
        groups = detector.scores.id, detector.scores.sets[figures.set]
        for patch, scores in zip(axes.patches, groups, strict=True):
            shares, edges, _ = patch.get_data()
            assert abs(sum(shares) - 1) < 1e-12
            # Of the bars between, each holds the scores from its left edge on.
            for share, low, high in list(zip(shares, edges, edges[1:], strict=False))[1:-1]:
                assert share * len(scores) == pytest.approx(sum(low <= one < high for one in scores))


def test_scores_that_are_infinite_or_all_alike_are_drawn(
    result: onnx_ood.BenchResult, figure: Figure
) -> None:
    detector = result.detectors[0]
    largest = float(np.finfo(np.float64).max)
    for values in ((1.0, 1.0), (0.0, largest), (largest, largest)):
        scores = BenchScores(id=(1.0, 1.0), sets={one.set: values for one in detector.metrics})
        draw_scores(detector.model_copy(update={"scores": scores}), "title", Path("x.svg"))
        edges = figure.axes[0].patches[0].get_data().edges
        assert np.isfinite(edges).all()
        assert (np.diff(edges) > 0).all()
        figure.clear()


def test_severity_curves_are_those_of_the_result(result: onnx_ood.BenchResult, figure: Figure) -> None:
    found = result.corruptions
    assert found is not None
    draw_corruptions(found, "title", Path("x.svg"))
    assert [axes.get_title() for axes in figure.axes] == ["mean over kinds", "fog", "text"]
    for column, one in enumerate(found.detectors):
        lines = [one.severities, *(curve.aurocs for curve in one.curves)]
        for axes, areas in zip(figure.axes, lines, strict=True):
            drawn = axes.lines[1 + column]
            assert drawn.get_xdata().tolist() == [1, 2, 3, 4, 5]
            assert list(drawn.get_ydata()) == [area.value for area in areas]
            corners = axes.collections[column].get_paths()[0].vertices[:, 1]
            assert (min(corners), max(corners)) == (
                min(area.low for area in areas),
                max(area.high for area in areas),
            )
            assert axes.get_ylim()[0] < min(corners)


def test_all_pictures_are_written(result: onnx_ood.BenchResult, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    check_picture_folder(folder)
    assert list(folder.iterdir()) == []
    named = result.detectors[1].model_copy(update={"name": "drop@/a b/../c"})
    result = result.model_copy(update={"detectors": (result.detectors[0], named, result.detectors[2])})
    paths = draw_bench(result, folder)
    names = [result.detectors[0].name, "drop_a_b_.._c", result.detectors[2].name]
    scores = [f"scores-{rank}-{name}.svg" for rank, name in enumerate(names, 1)]
    assert [path.name for path in paths] == ["roc.svg", *scores, "corruptions.svg"]
    for path in paths:
        text = "".join(ElementTree.fromstring(path.read_bytes()).itertext())
        assert "fashion_cnn.onnx" in text
    again = draw_bench(result, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_a_folder_that_cannot_be_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file: cannot be made.*choose another folder"):
        check_picture_folder(tmp_path / "file")
    monkeypatch.setattr("onnx_ood.reports.pictures.canvas.find_spec", lambda _: None)
    with pytest.raises(OutputError, match=r"pip install 'onnx_ood\[pictures\]'"):
        check_picture_folder(tmp_path)
