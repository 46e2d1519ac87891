"""What tests of pages share: parsing them by a library of other people's, and taking them apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

_SVG = "{http://www.w3.org/2000/svg}"


def parsed(page: str) -> Element:
    """The page as a tree; any error of its markup is raised."""
    return html5lib.HTMLParser(
        html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False
    ).parse(page)


def find(tree: Element, tag: str, **attributes: str) -> list[Element]:
    """All elements of a tag, those of drawings too; `class_` has to be among the classes."""
    return [
        one
        for one in tree.iter()
        if isinstance(one.tag, str)
        and one.tag.removeprefix(_SVG) == tag
        and all(_has(one, key, value) for key, value in attributes.items())
    ]


def text(tree: Element) -> str:
    """All text of an element, in one line."""
    return " ".join("".join(tree.itertext()).split())


def island(tree: Element) -> str:
    """The JSON in a page."""
    (found,) = find(tree, "script", type="application/json")
    return found.text or ""


def addresses(tree: Element) -> Iterator[str]:
    """Everything that a browser might load or go to."""
    for one in tree.iter():
        for key, value in one.attrib.items():
            name = key if isinstance(key, str) else key[-1]
            if name.rpartition("}")[2] in {"src", "href", "action", "srcset", "poster", "data", "background"}:
                yield value


def assert_loads_nothing(page: str) -> None:
    """No address but of pictures in the page and of places in it, and a policy that forbids the rest."""
    tree = parsed(page)
    for address in addresses(tree):
        assert address.startswith(("data:image/webp;base64,", "#")), address
    (style,) = find(tree, "style")
    assert not re.search(r"url\(|@import|https?:", style.text or "")
    (policy,) = [
        one.get("content") for one in find(tree, "meta") if "content-security" in str(one.attrib).lower()
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for one in tree.iter():
        assert not [key for key in one.attrib if str(key).startswith("on") or key == "style"]


def data(tree: Element) -> object:
    """The JSON in a page as data."""
    return json.loads(island(tree))


def _has(one: Element, key: str, value: str) -> bool:
    if key == "class_":
        return value in one.get("class", "").split()
    return one.get(key.replace("_", "-")) == value
