"""The page of the direction audit, taken apart by a parser of other people's."""

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
from hostile_names import HOSTILE
from page_parts import assert_loads_nothing, data, find, island, parsed, text

from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.reports.directions.page import command, directions_page

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture(scope="module")
def page(result: DirectionsResult) -> str:
    return directions_page(result)


@pytest.fixture(scope="module")
def tree(page: str) -> Element:
    return parsed(page)


def test_it_loads_nothing(page: str) -> None:
    assert_loads_nothing(page)


def test_the_json_in_it_is_the_result(tree: Element, result: DirectionsResult) -> None:
    assert DirectionsResult.model_validate_json(island(tree)) == result
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "directions.json").read_text()))


def test_the_verdict_says_where_it_holds_and_what_that_means(tree: Element, result: DirectionsResult) -> None:
    verdicts = [one.verdict for part in result.sets for one in part.settings]
    words = text(find(tree, "section", id="verdict")[0])
    shares = re.search(r"out-of-distribution in ([\d.]+)% of settings, a larger one in ([\d.]+)%", words)
    for share, name in zip(shares.groups(), ("holds", "flips"), strict=True):
        assert float(share) == pytest.approx(100 * verdicts.count(name) / len(verdicts), abs=0.5)
    assert " ".join(result.conclusion.split()) in words
    assert "other out-of-distribution inputs may go the other way" in words
    assert "1 input could not be measured" in text(find(tree, "section", id="failed")[0])
    assert "broken <i>.png" in text(find(tree, "section", id="failed")[0])


def test_bars_are_as_long_as_there_are_settings(tree: Element, result: DirectionsResult) -> None:
    (chart,) = find(tree, "svg", class_="shares")
    ticks = {
        text(one): float(one.get("x")) for one in find(chart, "text", text_anchor="middle", class_="tick")
    }
    unit = (ticks["100%"] - ticks["0%"]) / 100
    for one in result.sets:
        verdicts = [setting.verdict for setting in one.settings]
        parts = [
            part
            for part in find(chart, "g", class_="point")
            if part.get("aria-label").startswith(f"{one.name}: ")
        ]
        said = {}
        for part in parts:
            name, count, of = re.search(
                r": ([a-z ]+) in (\d+) of (\d+) settings", part.get("aria-label")
            ).groups()
            (bar,) = find(part, "rect")
            assert int(of) == len(verdicts)
            assert float(bar.get("width")) == pytest.approx(100 * unit * int(count) / int(of), abs=0.05)
            said[name] = int(count)
        assert said == {name: verdicts.count(name) for name in said}
        assert sum(said.values()) == len(verdicts)


def test_curves_are_means_over_settings(tree: Element, result: DirectionsResult) -> None:
    section = find(tree, "section", id="layers")[0]
    charts = find(section, "svg", class_="curve")
    assert [text(one) for one in find(section, "h3")] == [one.name for one in result.sets]
    for chart, one in zip(charts, result.sets, strict=True):
        ticks = {
            float(tick.text): float(tick.get("y"))
            for tick in find(chart, "text", class_="tick", text_anchor="end")
        }
        areas = np.array(
            [[s.auroc for s in one.settings if s.layer == layer.name] for layer in result.layers]
        )
        heights = np.array([float(circle.get("cy")) for circle in find(chart, "circle")])
        expected = ticks[0.0] + (ticks[1.0] - ticks[0.0]) * areas.mean(axis=1)
        np.testing.assert_allclose(heights, expected, atol=0.06)
        band = find(chart, "path", class_="band")[0].get("d")
        corners = np.array([float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", band)])
        ends = np.concatenate([areas.max(axis=1), areas.min(axis=1)[::-1]])
        np.testing.assert_allclose(corners, ticks[0.0] + (ticks[1.0] - ticks[0.0]) * ends, atol=0.06)


def test_tables_have_all_numbers(tree: Element, result: DirectionsResult) -> None:
    tables = [(text(find(one, "caption")[0]), one) for one in find(tree, "table")]
    # Nine sets take two tables beside each other.
    first, second = [table for name, table in tables if name.startswith("AUROC at each layer")]
    heads = [text(one) for table in (first, second) for one in find(table, "th", scope="col")[4:]]
    assert heads == [one.name.replace("_", " ") for one in result.sets]
    for row, further, layer in zip(
        find(find(first, "tbody")[0], "tr"), find(find(second, "tbody")[0], "tr"), result.layers, strict=True
    ):
        cells = [
            re.findall(r"\d\.\d\d", text(cell)) for one in (row, further) for cell in find(one, "td")[3:]
        ]
        for cell, one in zip(cells, result.sets, strict=True):
            areas = [setting.auroc for setting in one.settings if setting.layer == layer.name]
            assert [float(value) for value in cell] == pytest.approx(
                [np.mean(areas), min(areas), max(areas)], abs=0.0051
            )
    for factor in result.factors:
        table = dict(tables)[f"Mean AUROC and verdicts by {factor.name}"]
        rows = find(find(table, "tbody")[0], "tr")
        for row, level in zip(rows, factor.levels, strict=True):
            assert text(find(row, "th")[0]).endswith(level.level)
            assert float(text(find(row, "td")[0])) == pytest.approx(level.auroc, abs=0.0051)


def test_the_command_in_it_measures_the_same(
    tree: Element, result: DirectionsResult, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (shown,) = find(tree, "pre")
    assert "".join(shown.itertext()) == command(result)
    words = shlex.split(command(result).replace("\\\n", ""))
    good, bad = folders
    words[words.index("ID_INPUTS")] = str(good)
    words[words.index(f"{HOSTILE}={HOSTILE.upper()}")] = f"{HOSTILE}={bad}"
    out = tmp_path / "again.json"
    assert words[0] == "onnx-ood"
    run(*words[1:], "--json", out, "--quiet").check_returncode()
    assert DirectionsResult.model_validate_json(out.read_text()) == result


def test_too_few_inputs_say_that_nothing_may_be_concluded(result: DirectionsResult) -> None:
    page = directions_page(result.model_copy(update={"status": "not_evaluated", "sets": result.sets[:1]}))
    assert_loads_nothing(page)
    words = text(find(parsed(page), "section", id="verdict")[0])
    assert "Not evaluated" in words
    assert "nothing follows" in words
    assert result.conclusion not in words
