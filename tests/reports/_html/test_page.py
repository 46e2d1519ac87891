"""Frame and parts of pages, taken apart by an independent parser."""

from __future__ import annotations

import pytest
from page_parts import assert_loads_nothing, data, find, parsed, text
from pydantic import BaseModel

from onnx_ood.reports._html.page import bullets, fact_list, failure_list, folded, page, table
from onnx_ood.results.base import Failure


class Words(BaseModel):
    words: str


@pytest.mark.parametrize("words", ["plain", "</script><!-- & \u2028 <script>", '"]]>'])
def test_a_page_loads_nothing_and_holds_the_result(words: str) -> None:
    sections = [("verdict", "Result", "the answer"), ("more", "More", "details"), ("none", "None", None)]
    whole = page("model & co", "score", sections, Words(words=words), "1.2")
    assert_loads_nothing(whole)
    tree = parsed(whole)
    assert data(tree) == {"words": words}
    assert [one.get("href") for one in find(tree, "a")] == ["#main", "#verdict", "#more"]
    assert [text(one) for one in find(tree, "section")] == ["the answer", "Moredetails"]
    assert text(find(tree, "title")[0]) == "model & co · onnx-ood score"


def inside(part: object):
    return parsed(f"<!doctype html><html><head><title>t</title></head><body>{part}</body></html>")


def test_tables_name_their_columns_and_rows() -> None:
    rows = [["a <b>", "1"], ["c", "2"]]
    tree = inside(table("Title", [("name", False), ("value", True)], rows, row_class=["kept", None]))
    assert [text(one) for one in find(tree, "th", scope="col")] == ["name", "value"]
    assert [text(one) for one in find(tree, "th", scope="row")] == ["a <b>", "c"]
    assert [text(one) for one in find(tree, "td", class_="number")] == ["1", "2"]
    assert [one.get("class") for one in find(tree, "tr")] == [None, "kept", None]
    assert find(tree, "div", role="group", aria_label="Title")


def test_empty_facts_and_lists_are_omitted() -> None:
    tree = inside(fact_list([("model", "m.onnx"), ("note", ""), ("site", None)]))
    assert [text(one) for one in find(tree, "dt")] == ["model"]
    assert bullets([]) is None
    assert not failure_list([])
    assert [text(one) for one in find(inside(bullets(["one", "two"])), "li")] == ["one", "two"]


@pytest.mark.parametrize("count", [1, 10, 13])
def test_failures_beyond_ten_are_folded(count: int) -> None:
    tree = inside(failure_list([Failure(id=f"{i}.png", reason="is broken") for i in range(count)]))
    folded_items = [text(one) for part in find(tree, "details") for one in find(part, "li")]
    assert [text(one) for one in find(tree, "li")] == [f"{i}.png: is broken" for i in range(count)]
    assert folded_items == [f"{i}.png: is broken" for i in range(10, count)]
    assert [text(one) for one in find(tree, "summary")] == ([f"{count - 10} more"] if count > 10 else [])


def test_a_folded_part_has_a_summary() -> None:
    (part,) = find(inside(folded("Table", "content")), "details")
    assert text(part) == "Tablecontent"
