"""Parsing of standalone SVG pictures by an XML parser, and taking them apart."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

_SVG = "{http://www.w3.org/2000/svg}"


def drawing(svg: str) -> Element:
    """Root element of an SVG document."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{_SVG}svg"
    return root


def parts(tree: Element, tag: str, kind: str | None = None) -> list[Element]:
    """All elements of a tag, with a CSS class if one is given."""
    return [one for one in tree.iter(f"{_SVG}{tag}") if kind is None or kind in one.get("class", "").split()]


def texts(tree: Element, kind: str | None = None) -> list[str]:
    """Texts of all text elements."""
    return ["".join(one.itertext()) for one in parts(tree, "text", kind)]


def corners(path: Element) -> NDArray[np.float64]:
    """Absolute corners of a path of one polyline, [N, 2]."""
    data = path.get("d", "")
    assert re.fullmatch(r"M[-\d. ]+(L[-\d. ]+)*Z?", data), data
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", data), np.float64)


def named(tree: Element, panel: str) -> Element:
    """Chart whose panel title is given."""
    (found,) = [one for one in parts(tree, "g", "chart") if panel in texts(one, "panel-title")]
    return found


def ticks(chart: Element, *, upright: bool) -> tuple[float, float]:
    """Slope and intercept of the position as a function of the value, from the labels of an axis."""
    labels = [one for one in parts(chart, "text", "tick") if (one.get("text-anchor") == "end") == upright]
    values = [0.5 if one.text == "½" else float(one.text or "") for one in labels]
    places = [float(one.get("y" if upright else "x", "")) for one in labels]
    slope, intercept = np.polyfit(values, places, 1)
    return float(slope), float(intercept)
