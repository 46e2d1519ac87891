"""Standalone pictures: styles without variables, and layouts without overlaps."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from svg_parts import drawing, parts, texts

from onnx_ood.reports._html.charts import Figure, Frame, chart, point, square_key
from onnx_ood.reports._html.markup import element
from onnx_ood.reports._html.picture import FigureRow, picture


def figure(
    width: int, height: int, charts: int = 1, keys: int = 0, title: str = "t", note: str = "n"
) -> Figure:
    frame = Frame(width=width, height=height)
    drawn = [chart(f"c{k}", "label", frame, element("path", d="M0 0H1")) for k in range(charts)]
    return Figure(title, drawn, [square_key(f"key {k}", fill="#123456") for k in range(keys)], [note])


def boxes(svg: str, sizes: dict[str, tuple[int, int]]) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of all charts."""
    found = []
    for one in parts(drawing(svg), "g", "chart"):
        if "cells" in one.get("class", ""):
            continue
        x, y = map(float, re.findall(r"-?[\d.]+", one.get("transform", "")))
        width, height = sizes[one.get("aria-label", "")]
        found.append((x, y, x + width, y + height))
    return found


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(80, 900), st.integers(40, 300), st.integers(1, 7), st.integers(0, 9)),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_charts_do_not_overlap_and_lie_within_the_picture(
    rows: list[list[tuple[int, int, int, int]]],
) -> None:
    sizes: dict[str, tuple[int, int]] = {}
    figures = []
    for row in rows:
        drawn = []
        for width, height, charts, keys in row:
            label = f"{width}x{height}"
            sizes[label] = (width, height)
            frame = Frame(width=width, height=height)
            drawn.append(
                Figure(
                    "title " * 9,
                    [chart("c", label, frame) for _ in range(charts)],
                    [square_key(f"key {k}", fill="#123456") for k in range(keys)],
                    ["note " * 30],
                )
            )
        figures.append(FigureRow("heading", drawn))
    svg = picture("A title", ["a note"], figures)
    root = drawing(svg)
    wide, tall = float(root.get("width", "")), float(root.get("height", ""))
    found = boxes(svg, sizes)
    assert len(found) == sum(charts for row in rows for _, _, charts, _ in row)
    for k, (left, top, right, bottom) in enumerate(found):
        assert 0 <= left < right <= wide
        assert 0 <= top < bottom <= tall
        for other in found[:k]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_the_style_is_plain_css_with_the_colours_of_the_light_theme() -> None:
    svg = picture("t", [], [FigureRow("", [figure(100, 50)])])
    (style,) = parts(drawing(svg), "style")
    text = style.text or ""
    assert not re.search(r"var\(|color-mix|@|--|:not|:hover|/\*", text)
    rules = dict(re.findall(r"([^{}\n]+?) \{ ([^{}]+) \}", text))
    # 6% of #1f5f9e over white, by linear interpolation of each channel.
    mixed = [round(0.06 * channel + 0.94 * 255) for channel in (0x1F, 0x5F, 0x9E)]
    assert rules[".level-1"] == f"fill: #{bytes(mixed).hex()};"
    assert rules[".ground"] == "fill: #ffffff;"
    assert rules[".chart .series-2"].startswith("stroke: #d55e00;")


def test_tips_become_titles() -> None:
    frame = Frame(width=100, height=50)
    marked = chart("c", "label", frame, point('a "tip" <b>', element("path", d="M0 0H1")))
    svg = picture("t", [], [FigureRow("", [Figure("f", [marked])])])
    (group,) = parts(drawing(svg), "g", "point")
    (title,) = parts(group, "title")
    assert title.text == 'a "tip" <b>'
    assert "tabindex" not in svg
    assert "data-tip" not in svg


def test_long_text_is_broken_at_spaces_and_nothing_is_lost() -> None:
    words = [f"word{k}" for k in range(60)]
    svg = picture(
        " ".join(words), [" ".join(words)], [FigureRow("", [figure(300, 50, note=" ".join(words))])]
    )
    tree = drawing(svg)
    for kind, times in (("title", 1), ("note", 2)):
        lines = texts(tree, kind)
        assert len(lines) > times
        assert " ".join(lines).split() == words * times
    # About 6 units per character of 12 units in height.
    assert max(map(len, texts(tree, "note"))) * 6 <= 320


def test_text_from_untrusted_files_is_escaped() -> None:
    nasty = "</text><script>alert(1)</script>\x00"
    svg = picture(nasty, [nasty], [FigureRow(nasty, [figure(100, 50, title=nasty)])])
    tree = drawing(svg)
    assert not [one for one in tree.iter() if one.tag.endswith("script")]
    assert "<script>alert(1)</script>" in "".join("".join(texts(tree)).split())
