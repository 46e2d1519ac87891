"""Cards of inputs on a score page, taken apart by an independent parser."""

import base64
import json
from io import BytesIO

import jsonschema
import numpy as np
import pytest
from page_parts import data, find, parsed, text
from PIL import Image
from score_pages import SCHEMAS, listed

from onnx_ood.reports.score.page import score_page


def test_each_input_has_a_card_with_its_numbers(tree, result):
    cards = list(find(tree, "ol", class_="gallery")[0])
    assert len(cards) == len(result.inputs) == 14
    for i, (card, entry) in enumerate(zip(cards, result.inputs, strict=True)):
        assert card.get("id") == f"input-{i + 1}"
        assert text(find(card, "b")[0]) == entry.id.rpartition("/")[2]
        assert (
            text(find(card, "span", class_="nums")[0]) == f"msp {entry.scores[0]:.2f} · p {entry.p_value:.3f}"
        )
        assert bool(find(card, "span", class_="flag")) == entry.flagged
        assert entry.prediction.label in text(find(card, "span", class_="guess")[0])


def test_thumbnails_are_the_inputs(tree, result):
    card = list(find(tree, "ol", class_="gallery")[0])[3]
    (picture,) = find(card, "img")
    kept = Image.open(BytesIO(base64.b64decode(picture.get("src").partition(",")[2])))
    original = np.asarray(Image.open(result.inputs[3].id), dtype=float)
    assert kept.size == (28, 28)
    assert np.abs(np.asarray(kept.convert("L"), dtype=float) - original).mean() < 12


def test_no_thumbnails_reads_no_input(result):
    gone = listed(result, 20)
    tree = parsed(score_page(gone, thumbnails=False))
    assert not find(tree, "img")
    assert "no thumbnail" in text(find(tree, "ol", class_="gallery")[0])


def test_an_input_that_is_gone_has_a_tile_that_says_so(result):
    gone = listed(result, 3)
    tiles = find(parsed(score_page(gone)), "span", class_="tile")
    assert [text(one) for one in tiles] == ["can't be read any more"] * 3
    assert "no such file" in tiles[0].get("title")


def test_of_more_inputs_both_ends_are_listed_and_it_says_so(result):
    many = listed(result, 1200)
    tree = parsed(score_page(many, thumbnails=False))
    kept = [one["id"] for one in data(tree)["inputs"]]
    assert kept == [one.id for one in (*many.inputs[:500], *many.inputs[-500:])]
    assert "1,000 of the 1,200 scored inputs are listed: the first 500 and the last 500" in text(tree)
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "score.json").read_text()))
    assert find(tree, "svg", class_="histogram")


@pytest.mark.parametrize("count", [24, 25, 300])
def test_many_cards_are_in_groups_of_which_the_first_is_open(result, count):
    """Groups are <details>: they open without JavaScript, by mouse and keyboard."""
    many = listed(result, count)
    tree = parsed(score_page(many, thumbnails=False))
    groups = find(tree, "details", class_="group")
    lists = find(tree, "ol", class_="gallery")
    assert sum(len(list(one)) for one in lists) == count
    if count <= 24:
        assert (len(groups), len(lists)) == (0, 1)
        return
    assert len(groups) == len(lists) == -(-count // 24)
    assert [one.get("open") is not None for one in groups] == [True] + [False] * (len(groups) - 1)
    for start, group in zip(range(0, count, 24), groups, strict=True):
        part = many.inputs[start : start + 24]
        flagged = sum(bool(one.flagged) for one in part)
        name = f"Inputs {start + 1} to {start + len(part)} of {count}"
        assert text(next(iter(group))) == (f"{name}, {flagged} flagged" if flagged else name)


def test_rows_of_tables_have_tiles_of_their_values(result, tmp_path):
    table = np.random.default_rng(0).random((3, 2)).round(3)
    np.savetxt(tmp_path / "x.csv", table, "%g", ",", header="width,<b>age", comments="")
    rows = tuple(
        one.model_copy(update={"id": f"{tmp_path}/x.csv[{at}]"}) for at, one in enumerate(result.inputs[:3])
    )
    tree = parsed(score_page(result.model_copy(update={"inputs": rows, "scored": 3})))
    tiles = [text(one) for one in find(tree, "span", class_="tile")]
    assert [tile.split() for tile in tiles] == [
        ["width:", f"{width:g}", "<b>age:", f"{age:g}"] for width, age in table.tolist()
    ]
