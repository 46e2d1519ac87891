"""The page of the bench audit, taken apart by a parser of other people's."""

import json
import re
import shlex
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from page_parts import assert_loads_nothing, data, find, island, parsed, text
from PIL import Image
from svg_parts import drawing, parts

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.reports.bench.page import bench_page, command
from onnx_ood.reports.bench.picture import bench_picture

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    images, _ = models.fashion_samples()
    good, bad = tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("bad")
    rng = np.random.default_rng(0)
    for i in range(30):
        Image.fromarray(images[5 * i]).save(good / f"{i}.png")
        pixels = images[5 * i + 1] + rng.normal(0, 60, (28, 28))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(bad / f"{i}.png")
    (bad / "broken <i>.png").write_bytes(b"")
    settings = onnx_ood.BenchSettings(
        detectors=("msp", "energy", "gen"),
        corruptions=("gaussian_noise", "contrast"),
        scores=True,
    )
    return onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"<noisy> & grey": [str(bad)]}, settings)


@pytest.fixture(scope="module")
def page(result):
    return bench_page(result)


@pytest.fixture(scope="module")
def tree(page):
    return parsed(page)


def test_it_loads_nothing(page):
    assert_loads_nothing(page)


def test_the_json_in_it_is_the_result_without_scores(tree, result):
    bare = [one.model_copy(update={"scores": None}) for one in result.detectors]
    assert BenchResult.model_validate_json(island(tree)) == result.model_copy(
        update={"detectors": tuple(bare)}
    )
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "bench.json").read_text()))


def test_the_verdict_names_the_best_and_those_that_may_be_as_good(tree, result):
    best, *others = result.detectors
    words = text(find(tree, "section", id="verdict")[0])
    near = [one.name for one in others if one.gap_to_best.low <= 0]
    praise = "comes first" if near else "is the best"
    assert f"{best.name} {praise} of 3 detectors: mean AUROC {best.macro.value:.2f}" in words
    assert ("within the noise of the resamples" in words) == bool(near)
    for name in near:
        assert name in words
    assert "other out-of-distribution inputs may be missed" in words


def test_the_table_has_all_areas(tree, result):
    (table,) = [one for one in find(tree, "table") if text(one).startswith("AUROC of each detector")]
    rows = find(find(table, "tbody")[0], "tr")
    assert [text(one) for one in find(table, "th", scope="col")][4] == "<noisy> & grey"
    for row, detector in zip(rows, result.detectors, strict=True):
        cells = [text(one).strip("()") for one in find(row, "td")]
        assert cells[0] == f"{detector.macro.value:.2f}"
        assert cells[3:] == [f"{one.auroc.value:.2f}" for one in detector.metrics]


def test_means_are_drawn_to_scale(tree, result):
    (chart,) = find(tree, "svg", class_="means")
    points = [float(one.get("cx")) for one in find(chart, "circle")]
    values = [one.macro.value for one in result.detectors]
    ticks = {
        float(one.text): float(one.get("x"))
        for one in find(chart, "text", text_anchor="middle", class_="tick")
    }
    (low, start), *_, (high, stop) = ticks.items()
    for point, value, detector in zip(points, values, result.detectors, strict=True):
        assert point == pytest.approx(start + (stop - start) * (value - low) / (high - low), abs=0.1)
        (line,) = [
            re.fullmatch(r"M([\d.]+) [\d.]+H([\d.]+)", path.get("d"))
            for group in find(chart, "g", class_="point")
            if group.get("aria-label").startswith(f"{detector.name}:")
            for path in find(group, "path")
        ]
        assert float(line[1]) <= point <= float(line[2])


def test_corruptions_failures_and_scores_are_there(tree, result):
    assert "1 input could not be measured" in text(find(tree, "section", id="failed")[0])
    assert "broken <i>.png" in text(tree)
    words = text(find(tree, "section", id="corruptions")[0])
    assert "gaussian_noise" in words
    assert "contrast" in words


def test_pages_have_the_charts_of_pictures(tree, result):
    sets = len(result.sets)
    (roc,) = find(tree, "section", id="roc")
    assert len(find(roc, "svg", class_="series-panel")) == 1 + sets
    (corruptions,) = find(tree, "section", id="corruptions")
    assert len(find(corruptions, "svg", class_="series-panel")) == 1 + 2
    (scores,) = find(tree, "section", id="scores")
    assert len(find(scores, "svg", class_="distribution")) == sets * len(result.detectors)
    # The same drawings as in a picture file, path by path.
    picture = drawing(bench_picture(result))
    for section, kind in ((roc, "series"), (scores, "id-scores"), (scores, "ood-scores")):
        shown = [one.get("d") for one in find(section, "path", class_=kind)]
        drawn = {one.get("d") for one in parts(picture, "path", kind)}
        assert shown
        assert set(shown) <= drawn


def test_curves_name_their_numbers(tree, result):
    labels = [one.get("aria-label") for one in find(tree, "g", class_="point")]
    for detector in result.detectors:
        for one in detector.metrics:
            name = one.set.replace("_", " ")
            assert any(
                label.startswith(f"{detector.name}, {name}: AUROC {one.auroc.value:.3f}") for label in labels
            )


def test_the_command_names_what_was_chosen(result):
    words = shlex.split(command(result))
    assert words[:3] == ["onnx-ood", "bench", result.model.path]
    assert words[words.index("--detectors") + 1] == "msp,energy,gen"
    assert words[words.index("--corruptions") + 1] == "gaussian-noise,contrast"
    assert words[words.index("--ood") + 1] == "<noisy> & grey=<NOISY> & GREY"
    assert not {"--limit", "--preprocess"} & set(words)
    settings = result.settings.model_copy(update={"limit": 7, "preprocess": "unit,stretch"})
    words = shlex.split(command(result.model_copy(update={"settings": settings})))
    assert words[words.index("--limit") + 1] == "7"
    assert words[words.index("--preprocess") + 1] == "unit,stretch"


def test_a_benchmark_of_too_little_has_a_page(tmp_path):
    images, _ = models.fashion_samples()
    Image.fromarray(images[0]).save(tmp_path / "one.png")
    result = onnx_ood.bench(
        models.path("fashion_cnn"), [str(tmp_path)], {}, onnx_ood.BenchSettings(detectors=("msp",))
    )
    page = bench_page(result)
    assert_loads_nothing(page)
    assert "Not evaluated" in page
