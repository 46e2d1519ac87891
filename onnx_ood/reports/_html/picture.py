"""Figures of a page as one standalone SVG in the colours of the light theme.

Programs other than browsers draw it too, so it holds no CSS variables or functions; see charts.css.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from unicodedata import east_asian_width

from onnx_ood.reports._html.charts import KEY_HEIGHT, Chart, Figure, Key
from onnx_ood.reports._html.markup import Markup, element, joined

FONTS = "'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""Fonts of pictures, as CSS names them."""

_MARGIN, _GAP, _MAX_WIDTH = 24, 36, 1240
_PANEL_GAP = 20
# Height of lines of text, and mean width of a character, both in units of the drawing.
_TITLE, _HEADING, _FIGURE_TITLE, _NOTE, _KEY = 28, 34, 22, 18, 20
_WIDTHS = {"title": 10.2, "heading": 9.0, "figure-title": 7.9, "note": 6.2}
_STYLE = """\
text { fill: var(--text); font-size: 12px; }
.title { font-size: 18px; font-weight: 600; }
.heading { font-size: 16px; font-weight: 600; }
.figure-title { font-size: 14px; font-weight: 600; }
.note { fill: var(--quiet); }
"""
_TIP = re.compile(r' role="img" tabindex="-1" aria-label="([^"]*)" data-tip="[^"]*">')


@dataclass(frozen=True)
class FigureRow:
    """Figures side by side under a heading; they wrap like words.

    Attributes:
        heading: Heading, or empty.
        figures: The figures.
    """

    heading: str
    figures: Sequence[Figure]


@dataclass(frozen=True)
class _Block:
    """A figure with its size: columns of charts, and lines of notes and keys."""

    figure: Figure
    columns: int
    width: int
    title: Sequence[str]
    notes: Sequence[str]
    keys: Sequence[Sequence[tuple[int, Key]]]

    @property
    def head(self) -> int:
        """Height above the charts."""
        return len(self.title) * _FIGURE_TITLE + len(self.notes) * _NOTE + 6

    @property
    def body(self) -> int:
        """Height of the charts and the keys."""
        charts = self.figure.charts
        rows = -(-len(charts) // self.columns)
        height = rows * (charts[0].frame.height + _PANEL_GAP) if charts else 0
        return height + len(self.keys) * _KEY


def picture(title: str, notes: Sequence[str], rows: Sequence[FigureRow]) -> str:
    """Draw figures below each other as an SVG document.

    Args:
        title: Title of the picture.
        notes: Lines below the title.
        rows: From top to bottom.

    Returns:
        SVG as text. It loads nothing, and equal figures give equal text.
    """
    placed, parts, y, width = [], [], _MARGIN, 0
    for row in rows:
        blocks = [_block(one) for one in row.figures]
        lines = _flow([block.width for block in blocks])
        placed.append((row.heading, [[blocks[k] for k in line] for line in lines]))
        for line in lines:
            width = max(width, sum(blocks[k].width + _GAP for k in line) - _GAP)
    top = [*((line, "title") for line in _wrapped(title, width, "title"))]
    top += [(line, "note") for note in notes for line in _wrapped(note, width, "note")]
    for text, kind in top:
        height = _TITLE if kind == "title" else _NOTE
        y += height
        parts.append(_text(text, _MARGIN, y - 8, kind))
    y += _GAP // 3
    for heading, block_lines in placed:
        for text in _wrapped(heading, width, "heading") if heading else []:
            y += _HEADING
            parts.append(_text(text, _MARGIN, y - 12, "heading"))
        for line_of_blocks in block_lines:
            head = max(block.head for block in line_of_blocks)
            x = _MARGIN
            for block in line_of_blocks:
                parts.append(_drawn(block, x, y, head))
                x += block.width + _GAP
            y += head + max(block.body for block in line_of_blocks) + _GAP // 2
    whole, tall = width + 2 * _MARGIN, y + _MARGIN // 2
    drawing = element(
        "svg",
        element("title", title),
        element("style", Markup(_style())),
        element("rect", class_="ground", width=whole, height=tall),
        parts,
        xmlns="http://www.w3.org/2000/svg",
        width=whole,
        height=tall,
        viewBox=f"0 0 {whole} {tall}",
        font_family=FONTS,
    )
    return f"{drawing}\n"


def _block(figure: Figure) -> _Block:
    charts = figure.charts
    wide = charts[0].frame.width if charts else 0
    columns = max(1, min(len(charts), (_MAX_WIDTH + _PANEL_GAP) // (wide + _PANEL_GAP)))
    width = columns * (wide + _PANEL_GAP) - _PANEL_GAP
    notes = [line for note in figure.notes if note for line in _wrapped(note, width, "note")]
    keys = _key_lines(figure.keys, width)
    return _Block(figure, columns, width, _wrapped(figure.title, width, "figure-title"), notes, keys)


def _drawn(block: _Block, x: int, y: int, head: int) -> Markup:
    """Draw a block; its charts begin `head` below its top, as those of its neighbours do."""
    parts, line = [], y
    for text, kind, height in [
        *((text, "figure-title", _FIGURE_TITLE) for text in block.title),
        *((text, "note", _NOTE) for text in block.notes),
    ]:
        line += height
        parts.append(_text(text, x, line - 6, kind))
    charts = block.figure.charts
    for k, one in enumerate(charts):
        row, column = divmod(k, block.columns)
        left = x + column * (one.frame.width + _PANEL_GAP)
        parts.append(_chart(one, left, y + head + row * (one.frame.height + _PANEL_GAP)))
    line = y + head + block.body - len(block.keys) * _KEY
    for keys in block.keys:
        for left, key in keys:
            swatch = element(
                "g", key.swatch, class_="chart cells", transform=f"translate({x + left} {line + 2})"
            )
            name = _text(key.name, x + left + key.width + 6, line + KEY_HEIGHT, "note")
            parts.append(joined(swatch, name))
        line += _KEY
    return joined(parts)


def _chart(one: Chart, x: int, y: int) -> Markup:
    content = Markup(_TIP.sub(r' role="img"><title>\1</title>', one.content))
    return element(
        "g",
        content,
        class_=f"chart {one.kind}",
        transform=f"translate({x} {y})",
        role="group",
        aria_label=one.label,
    )


def _text(text: str, x: int, y: int, kind: str) -> Markup:
    return element("text", text, class_=kind, x=x, y=y)


def _key_lines(keys: Sequence[Key], width: int) -> list[list[tuple[int, Key]]]:
    """Keys with their distances from the left, in lines."""
    widths = [key.width + 6 + round(_text_width(key.name, "note")) + 14 for key in keys]
    lines = []
    for line in _flow(widths, gap=0, width=width):
        left, placed = 0, []
        for k in line:
            placed.append((left, keys[k]))
            left += widths[k]
        lines.append(placed)
    return lines


def _flow(widths: Sequence[int], gap: int = _GAP, width: int = _MAX_WIDTH) -> list[list[int]]:
    """Break boxes into lines, as words are: indices of the boxes of each line."""
    lines: list[list[int]] = []
    room = 0
    for k, wide in enumerate(widths):
        if not lines or wide > room:
            lines.append([])
            room = width
        lines[-1].append(k)
        room -= wide + gap
    return lines


def _wrapped(text: str, width: int, kind: str) -> list[str]:
    """Break text at spaces into lines of a width."""
    words = text.split()
    space = round(_WIDTHS[kind])
    widths = [round(_text_width(word, kind)) for word in words]
    return [" ".join(words[k] for k in line) for line in _flow(widths, gap=space, width=width)]


def _text_width(text: str, kind: str) -> float:
    return _WIDTHS[kind] * sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


@cache
def _style() -> str:
    """Rules of charts with the values of the light theme."""
    page, charts = (
        (files(__package__) / name).read_text(encoding="utf-8") for name in ("page.css", "charts.css")
    )
    light = page[page.index(":root {") : page.index("}")]
    values = dict(re.findall(r"--([\w-]+): ([^;]+);", light))
    style = re.sub(
        r"/\*.*?\*/", "", f"{_STYLE}.ground {{ fill: var(--surface); }}\n{charts}", flags=re.DOTALL
    )
    style = re.sub(r"var\(--([\w-]+)\)", lambda found: values[found[1]], style)
    style = re.sub(r"color-mix\(in srgb, (#\w{6}) (\d+)%, (#\w{6})\)", _mixed, style)
    return "\n".join(line for line in style.split("\n") if line)


def _mixed(found: re.Match[str]) -> str:
    share = int(found[2]) / 100
    ends = [[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in (found[1], found[3])]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in zip(*ends, strict=True))
