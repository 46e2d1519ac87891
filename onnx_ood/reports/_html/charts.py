"""Parts of all charts: frame, axes, marks that name their numbers, and figures with title, keys and notes.

Coordinates are in units of the drawing, which a page stretches to its column; page.css enlarges text on narrow screens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from onnx_ood.reports import numbers
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.scales import Scale

MAX_DISTINCT_POINTS = 60
"""Most points side by side that a reader can separate."""

# Least distance between two ticks of a vertical axis.
_TICK = 30
KEY_HEIGHT = 12
_SQUARE, _LINE = 12, 26


@dataclass(frozen=True)
class Frame:
    """Size of a drawing, and edges of its plot area inside the room for axes.

    Attributes:
        width: Width of the drawing.
        height: Height of the drawing.
        left: Left edge of the plot area.
        right: Right edge of the plot area.
        top: Top edge of the plot area.
        bottom: Bottom edge of the plot area.
    """

    width: int = 580
    height: int = 420
    left: int = 76
    right: int = 572
    top: int = 12
    bottom: int = 362


@dataclass(frozen=True)
class Chart:
    """A drawing. On a page its marks can be walked through with the arrow keys.

    Attributes:
        kind: CSS classes.
        label: Description for screen readers.
        frame: Size.
        content: Elements of the drawing.
        data: Attributes for scripts, by name.
    """

    kind: str
    label: str
    frame: Frame
    content: Markup
    data: Mapping[str, str] = field(default_factory=dict)

    def __html__(self) -> Markup:
        """Render as an inline SVG."""
        return element(
            "svg",
            self.content,
            class_=f"chart {self.kind}",
            viewBox=f"0 0 {self.frame.width} {self.frame.height}",
            role="group",
            aria_label=self.label,
            **self.data,
        )


@dataclass(frozen=True)
class Key:
    """Entry of a legend: a swatch and its name.

    Attributes:
        swatch: Shapes in a box of `width` by `KEY_HEIGHT`.
        name: Meaning of the swatch.
        width: Width of the box.
    """

    swatch: Markup
    name: str
    width: int = _SQUARE

    def __html__(self) -> Markup:
        """Render the swatch alone."""
        return element(
            "svg",
            element("g", self.swatch, class_="cells"),
            class_="chart swatch",
            viewBox=f"0 0 {self.width} {KEY_HEIGHT}",
            aria_hidden="true",
        )


@dataclass(frozen=True)
class Figure:
    """One or more charts with a title, a legend and notes; pages and picture files are made from it.

    Attributes:
        title: Heading.
        charts: Drawings of one size.
        keys: Legend.
        notes: Lines about what is drawn; empty ones are omitted.
        kind: CSS class on a page.
    """

    title: str
    charts: Sequence[Chart]
    keys: Sequence[Key] = ()
    notes: Sequence[str | None] = ()
    kind: str | None = None

    def __html__(self) -> Markup:
        """Render as a figure of a page."""
        notes = [element("p", note) for note in self.notes if note]
        several = len(self.charts) > 1
        keys = [element("li", key, f" {key.name}") for key in self.keys]
        return element(
            "figure",
            element("figcaption", element("h3", self.title), notes),
            element("div", self.charts, class_="panels") if several else joined(self.charts),
            element("ul", keys, class_="keys") if keys else None,
            class_=self.kind,
        )


def chart(kind: str, label: str, frame: Frame, *children: Child, **data: str) -> Chart:
    """Put the elements of a drawing together.

    Args:
        kind: CSS classes.
        label: Description for screen readers.
        frame: Size.
        children: Elements, from back to front.
        data: Attributes for scripts.
    """
    return Chart(kind, label, frame, joined(*children), data)


def square_key(name: str, **attributes: str) -> Key:
    """Legend entry with a filled square.

    Args:
        name: Meaning.
        attributes: `class_` or `fill`.
    """
    return Key(element("rect", width=_SQUARE, height=KEY_HEIGHT, **attributes), name)


def line_key(name: str, kind: str) -> Key:
    """Legend entry with a horizontal line of a CSS class."""
    return Key(element("path", class_=kind, d=f"M0 {KEY_HEIGHT // 2}H{_LINE}"), name, _LINE)


def upright_axis(scale: Scale, frame: Frame, name: str) -> Markup:
    """Vertical axis on the left, with faint lines across the plot."""
    lines = []
    room = int(abs(scale.stop - scale.start)) // _TICK
    for tick in scale.ticks(max(1, min(5, room))):
        y = scale(tick)
        lines.append(element("path", class_="grid", d=f"M{frame.left} {y:.1f}H{frame.right}"))
        lines.append(
            element(
                "text",
                tick_text(tick),
                class_="tick",
                x=frame.left - 8,
                y=y,
                dy="0.35em",
                text_anchor="end",
            )
        )
    middle = (frame.top + frame.bottom) / 2
    title = element(
        "text", name, class_="axis", transform=f"translate(10 {middle:.0f}) rotate(-90)", text_anchor="middle"
    )
    return element("g", lines, title, aria_hidden="true")


def level_axis(ticks: Sequence[tuple[float, str]], frame: Frame, name: str) -> Markup:
    """Horizontal axis below the plot.

    Args:
        ticks: Positions and labels.
        frame: Size of the drawing.
        name: Title of the axis.
    """
    base = element("path", class_="base", d=f"M{frame.left} {frame.bottom}H{frame.right}")
    texts = [
        element("text", label, class_="tick", x=x, y=frame.bottom + 22, text_anchor="middle")
        for x, label in ticks
    ]
    middle = (frame.left + frame.right) / 2
    title = element("text", name, class_="axis", x=middle, y=frame.height - 10, text_anchor="middle")
    return element("g", base, texts, title, aria_hidden="true")


def scale_ticks(scale: Scale, about: int = 5) -> list[tuple[float, str]]:
    """Positions and labels of about so many ticks of a horizontal scale."""
    return [(scale(tick), tick_text(tick)) for tick in scale.ticks(about)]


def layer_marks(places: Sequence[float], most: int) -> list[tuple[float, str]]:
    """Numbers of layers, as many as fit below a chart.

    Args:
        places: Positions of the layers, first to last.
        most: How many of two digits fit.
    """
    every = -(-len(places) // (most if len(places) < 100 else most // 2))
    return [(x, f"[{p + 1}]") for p, x in enumerate(places) if p % every == 0]


def point(tip: str, *children: Child) -> Markup:
    """Group shapes into a mark that names its numbers when hovered or focused."""
    return element("g", children, class_="point", role="img", tabindex=-1, aria_label=tip, data_tip=tip)


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Path data of a line through points, to a tenth of a unit.

    >>> polyline([(0, 1), (2.25, 3)])
    'M0.0 1.0L2.2 3.0'
    """
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def tick_text(value: float) -> str:
    """Format a round number for an axis."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:g}" if 1e-3 <= size < 1e5 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def number(value: float | None) -> str:
    """Format a number as terminal reports do."""
    return numbers.number(value)
