"""The page of the preprocessing search, parsed by an independent parser."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from xml.etree.ElementTree import Element

import jsonschema
import pytest
from command import run
from page_parts import assert_loads_nothing, data, find, island, parsed, text

from onnx_ood.audits.preprocess.result import PreprocessResult
from onnx_ood.reports.preprocess.page import command, preprocess_page

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture(scope="module")
def tree(result: PreprocessResult) -> Element:
    return parsed(preprocess_page(result))


def test_it_loads_nothing(result: PreprocessResult) -> None:
    assert_loads_nothing(preprocess_page(result))


def test_the_json_in_it_is_the_result(tree: Element, result: PreprocessResult) -> None:
    assert PreprocessResult.model_validate_json(island(tree)) == result
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "preprocess.json").read_text()))


def test_the_verdict_says_what_is_determined_and_what_to_use(tree: Element, result: PreprocessResult) -> None:
    values, resize = result.questions
    assert (values.verdict, resize.verdict) == ("determined", "undetermined")
    verdict = find(tree, "section", id="verdict")[0]
    words = text(verdict)
    assert f"Partly determined: values {values.candidates[0].name}" in words
    assert f"resize: undetermined: {resize.reason}" in words
    marked = [one.name for one in resize.leading]
    assert "stretched" in marked
    assert "centre, all of the short side" in marked
    assert "variants close to it are not excluded" in words
    # Undetermined: all that may be right, never one alone.
    codes = [text(code) for code in find(verdict, "code")]
    assert codes == [f"--preprocess {one.spec}" for one in result.possible]
    assert len(codes) > 1


def test_intervals_are_drawn_to_scale(tree: Element, result: PreprocessResult) -> None:
    charts = find(tree, "svg", class_="behind")
    for chart, question in zip(charts, result.questions, strict=True):
        ticks = {
            float(one.text): float(one.get("x"))
            for one in find(chart, "text", class_="tick", text_anchor="middle")
        }
        (low, start), *_, (high, stop) = ticks.items()
        for drawn, tried in zip(find(chart, "g", class_="point"), question.candidates, strict=True):
            expected = [
                start + (stop - start) * (value - low) / (high - low)
                for value in (tried.gap.low, tried.gap.value, tried.gap.high)
            ]
            begin, _, end = find(drawn, "path")[0].get("d")[1:].replace("H", " ").split()
            middle = find(drawn, "circle")[0].get("cx")
            assert [float(begin), float(middle), float(end)] == pytest.approx(expected, abs=0.1)
            assert drawn.get("aria-label").startswith(f"{tried.name}: score {tried.score:.2f}, ")


def test_tables_have_the_evidence(tree: Element, result: PreprocessResult) -> None:
    for table, question in zip(find(tree, "table"), result.questions, strict=True):
        rows = find(find(table, "tbody")[0], "tr")
        for row, tried in zip(rows, question.candidates, strict=True):
            assert text(find(row, "th")[0]) == tried.name + (" *" if tried.leading else "")
            cells = [text(cell) for cell in find(row, "td")]
            assert [float(cells[i]) for i in (0, 3, 4)] == pytest.approx(
                [tried.score, tried.information, tried.batch_norm], abs=0.0051
            )
            assert cells[-1] == tried.spec


def test_the_command_in_it_measures_the_same(
    tree: Element, result: PreprocessResult, photos: Path, tmp_path: Path
) -> None:
    (shown,) = find(tree, "pre")
    assert "".join(shown.itertext()) == command(result)
    words = shlex.split(command(result).replace("\\\n", ""))
    words[words.index("PHOTOS...")] = str(photos)
    out = tmp_path / "again.json"
    assert words[0] == "onnx-ood"
    run(*words[1:], "--json", out, "--quiet").check_returncode()
    assert PreprocessResult.model_validate_json(out.read_text()) == result


def test_too_few_photos_say_that_nothing_may_be_concluded(result: PreprocessResult) -> None:
    few = result.model_copy(update={"status": "not_evaluated", "photos": 1})
    words = text(find(parsed(preprocess_page(few)), "section", id="verdict")[0])
    assert "Not evaluated: 1 photo was read" in words
    assert "nothing follows" in words


def test_a_candidate_that_overflows_leaves_the_others_apart(result: PreprocessResult) -> None:
    values, resize = result.questions
    far = values.candidates[-1].gap.model_copy(update={"value": 709.0, "low": 705.0, "high": 712.0})
    last = values.candidates[-1].model_copy(update={"gap": far, "score": -700.0})
    question = values.model_copy(update={"candidates": (*values.candidates[:-1], last)})
    tree = parsed(preprocess_page(result.model_copy(update={"questions": (question, resize)})))
    chart = find(tree, "svg", class_="behind")[0]
    places = [float(one.get("cx")) for one in find(chart, "circle")]
    assert places == sorted(places)
    second = max(one.gap.high for one in question.candidates[:-1])
    # The last of the others is near the right edge, where the far one is.
    assert places[-1] - places[0] == pytest.approx(
        (places[-2] - places[0]) * second / question.candidates[-2].gap.value, rel=0.15
    )
    assert "Candidates at the right edge are further behind" in text(tree)
