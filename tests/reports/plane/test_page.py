"""The page of the plane audit, taken apart by a parser of other people's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree.ElementTree import Element

import jsonschema
import numpy as np
import pytest
from command import run
from numpy.typing import NDArray
from page_parts import assert_loads_nothing, data, find, island, parsed, text
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports.plane.page import command, plane_page

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
NASTY = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> PlaneResult:
    folder = tmp_path_factory.mktemp("three")
    images, _ = models.fashion_samples()
    paths = [str(folder / name) for name in ("a <b>.png", "b & c.png", "c.png")]
    for path, row in zip(paths, (60, 20, 0), strict=True):
        Image.fromarray(images[row]).save(path)
    settings = onnx_ood.PlaneSettings(
        resolution=41, directions=2, units=30, extent=0.3, seed=3, preprocess="unit"
    )
    return onnx_ood.plane(models.path("fashion_cnn"), paths, settings)


@pytest.fixture(scope="module")
def page(result: PlaneResult) -> str:
    return plane_page(result)


@pytest.fixture(scope="module")
def tree(page: str) -> Element:
    return parsed(page)


def loops(path: str) -> list[NDArray[np.float64]]:
    """The corners of a path's loops."""
    found = []
    for loop in path.split("z")[:-1]:
        x, y = map(int, re.match(r"M(-?\d+) (-?\d+)", loop).groups())
        corners = [(x, y)]
        for way, length in re.findall(r"([hv])(-?\d+)", loop):
            x, y = (x + int(length), y) if way == "h" else (x, y + int(length))
            corners.append((x, y))
        assert corners[0] == corners[-1]
        found.append(np.array(corners, float))
    return found


def area(path: str) -> float:
    """By Gauss's formula; holes are run through the other way and count against."""
    return sum(0.5 * float(np.sum(c[:-1, 0] * c[1:, 1] - c[1:, 0] * c[:-1, 1])) for c in loops(path))


def places(chart: Element, result: PlaneResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How coordinates of the plane become places in a chart, by where the three inputs are drawn: [2] each."""
    circles = find(chart, "circle")
    assert len(circles) == 3
    drawn = [(float(one.get("cx")), float(one.get("cy"))) for one in circles]
    across = np.polyfit([one.x for one in result.points], [x for x, _ in drawn], 1)
    up = np.polyfit([one.y for one in result.points], [y for _, y in drawn], 1)
    for one, (x, y) in zip(result.points, drawn, strict=True):
        assert np.polyval(across, one.x) == pytest.approx(x, abs=0.02)
        assert np.polyval(up, one.y) == pytest.approx(y, abs=0.02)
    # A step is as long in both directions, and y goes up.
    assert across[0] == pytest.approx(-up[0], rel=1e-3)
    return across, up


def transformed(group: Element) -> tuple[float, float, float, float]:
    """Where a group's origin is and how it is stretched."""
    number = r"(-?[\d.]+)"
    found = re.fullmatch(
        rf"translate\({number} {number}\) scale\({number} {number}\)", group.get("transform")
    )
    left, bottom, wide, high = map(float, found.groups())
    return left, bottom, wide, high


def test_it_loads_nothing(page: str) -> None:
    assert_loads_nothing(page)


def test_the_json_in_it_is_the_result(tree: Element, result: PlaneResult) -> None:
    assert PlaneResult.model_validate_json(island(tree)) == result
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "plane.json").read_text()))


def test_the_verdict_says_how_much_is_answered_otherwise(tree: Element, result: PlaneResult) -> None:
    own = [one.prediction.index for one in result.points]
    share = 1 - np.isin(np.array(result.classes.answers), own).mean()
    words = text(find(tree, "section", id="verdict")[0])
    said = re.search(r"([\d.]+)% of this plane has a prediction that none of its three inputs has", words)
    assert float(said[1]) == pytest.approx(100 * share, abs=0.5)
    assert "It shows what the model predicts there, not whether that is correct" in words
    for note in result.notes:
        assert note in words


def test_areas_are_as_large_as_classes_have_points(tree: Element, result: PlaneResult) -> None:
    chart, _ = find(tree, "svg", class_="plane")
    answers = np.array(result.classes.answers)
    (cells,) = find(chart, "g", class_="cells")
    areas = find(cells, "g", class_="point")
    assert len(areas) == len(result.classes.found)
    for one, drawn in zip(result.classes.found, areas, strict=True):
        assert drawn.get("aria-label").startswith(f"{one.label}: ")
        assert area(find(drawn, "path")[0].get("d")) == np.sum(answers == one.index)
    # The whole map is where its points are: each cell's middle is its point.
    across, up = places(chart, result)
    left, bottom, wide, high = transformed(cells)
    grid = result.grid
    for column, row in ((0, 0), (grid.columns - 1, grid.rows - 1)):
        x, y = grid.x + column * grid.step, grid.y + row * grid.step
        assert left + wide * (column + 0.5) == pytest.approx(np.polyval(across, x), abs=0.1)
        assert bottom + high * (row + 0.5) == pytest.approx(np.polyval(up, y), abs=0.1)


@pytest.mark.parametrize("kind", ["of-layer", "of-classes"])
def test_lines_are_where_the_result_has_them(tree: Element, result: PlaneResult, kind: str) -> None:
    lines = result.probe.lines if kind == "of-layer" else result.classes.lines
    for chart in find(tree, "svg", class_="plane")[: 1 if kind == "of-layer" else 2]:
        across, up = places(chart, result)
        (group,) = find(chart, "g", class_=kind)
        left, bottom, wide, high = transformed(group)
        strokes = "".join(path.get("d") for path in find(group, "path")).split("M")[1:]
        assert len(strokes) == len(lines)
        for stroke, line in zip(strokes, lines, strict=True):
            steps = np.array(re.findall(r"-?\d+", stroke), int).reshape(-1, 2)
            x, y = steps.cumsum(axis=0).T
            np.testing.assert_allclose(left + wide * x, np.polyval(across, line.x), atol=0.3)
            np.testing.assert_allclose(bottom + high * y, np.polyval(up, line.y), atol=0.3)


def test_norms_are_in_steps_of_equal_ratio(tree: Element, result: PlaneResult) -> None:
    _, chart = find(tree, "svg", class_="plane")
    norms = np.array(result.jacobian.norms, float)
    low, high = max(norms.min(), 1e-4 * norms.max()), norms.max()
    step = np.clip(np.floor(8 * np.log(norms / low) / np.log(high / low)), 0, 7)
    expected = {f"level-{k + 1}": np.sum(step == k) for k in range(8) if (step == k).any()}
    (cells,) = find(chart, "g", class_="cells")
    assert {one.get("class"): area(one.get("d")) for one in find(cells, "path")} == expected
    said = [one.get("aria-label") for one in find(cells, "g", class_="point")]
    assert [one.split(" on ")[0].removeprefix("Jacobian norm ") for one in said] == [
        text(one) for one in find(find(tree, "section", id="plane")[0], "ul", class_="keys")[1]
    ]


def test_tables_say_the_same(tree: Element, result: PlaneResult) -> None:
    inputs, classes = find(tree, "table")
    rows = find(find(inputs, "tbody")[0], "tr")
    for name, row, one in zip("ABC", rows, result.points, strict=True):
        assert text(find(row, "th")[0]) == f"{name}: {one.id}"
        cells = [text(cell) for cell in find(row, "td")]
        assert float(cells[0]) == pytest.approx(one.x, rel=0.06)
        assert cells[2].startswith(one.prediction.label)
        assert float(cells[3]) == pytest.approx(one.jacobian, rel=0.01)
    shown = [text(one) for one in find(classes, "th", scope="row")]
    assert shown == [one.label for one in result.classes.found]


def test_the_command_in_it_measures_the_same(tree: Element, result: PlaneResult, tmp_path: Path) -> None:
    (shown,) = find(tree, "pre")
    assert "".join(shown.itertext()) == command(result)
    words = shlex.split(command(result).replace("\\\n", ""))
    assert words[words.index("--preprocess") + 1] == "unit"
    out = tmp_path / "again.json"
    assert words[0] == "onnx-ood"
    run(*words[1:], "--json", out, "--quiet").check_returncode()
    again = PlaneResult.model_validate_json(out.read_text())
    # Nothing is looked for where the provider is named.
    assert again == result.model_copy(update={"provider_note": again.provider_note})


def test_a_model_without_classes_and_norms_has_a_page(result: PlaneResult) -> None:
    points = tuple(one.model_copy(update={"prediction": None, "jacobian": None}) for one in result.points)
    layer = result.probe.model_copy(update={"exact": "sign", "name": NASTY})
    bare = result.model_copy(update={"classes": None, "jacobian": None, "points": points, "probe": layer})
    page = plane_page(bare)
    assert_loads_nothing(page)
    tree = parsed(page)
    words = text(find(tree, "section", id="verdict")[0])
    assert f"{layer.switching} of {layer.looked_at} units switch on this plane" in words
    assert "a smooth function" in words
    assert NASTY in words
    assert len(find(tree, "svg", class_="plane")) == 1
    assert not find(tree, "section", id="classes")


@pytest.mark.parametrize(("value", "name"), [(None, "unknown"), (0.0, "0"), (2.5, "2.5")])
def test_norms_that_are_all_alike_are_one_area(result: PlaneResult, value: float | None, name: str) -> None:
    jacobian = result.jacobian
    norms = tuple(tuple(value for _ in row) for row in jacobian.norms)
    alike = result.model_copy(update={"jacobian": jacobian.model_copy(update={"norms": norms})})
    _, chart = find(parsed(plane_page(alike)), "svg", class_="plane")
    (cells,) = find(chart, "g", class_="cells")
    (drawn,) = find(cells, "g", class_="point")
    assert drawn.get("aria-label") == f"Jacobian norm {name} on 100% of the points"
    assert area(find(drawn, "path")[0].get("d")) == jacobian.grid.rows * jacobian.grid.columns


def test_of_many_lines_those_of_fewer_units_are_drawn_and_it_says_so(result: PlaneResult) -> None:
    long = tuple(
        line.model_copy(update={"x": line.x * 40, "y": line.y * 40, "index": 1000 * k + line.index})
        for k in range(5)
        for line in result.probe.lines
    )
    units = len({line.index for line in long})
    layer = result.probe.model_copy(update={"lines": long, "switching": units})
    tree = parsed(plane_page(result.model_copy(update={"probe": layer})))
    said = re.search(rf"Lines of (\d+) of {units} units are drawn", text(tree))
    (group,) = find(tree, "g", class_="of-layer")
    points = sum(len(re.findall(r"-?\d+", path.get("d"))) // 2 for path in find(group, "path"))
    assert 20_000 < points < 90_000
    assert 0 < int(said[1]) < units
