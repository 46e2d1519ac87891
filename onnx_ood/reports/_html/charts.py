"""What all charts share: the frame, axes with their marks, and points that say their numbers.

Sizes are in units of the drawing, which is stretched to its column; page.css enlarges letters on narrow screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.reports import numbers
from onnx_ood.reports._html.markup import Child, Markup, element
from onnx_ood.reports._html.scales import Scale

MOST_POINTS = 60
"""Points side by side a reader can separate."""

# Between two marks of an upright axis, at least.
_TICK = 30


@dataclass(frozen=True)
class Frame:
    """Where a chart draws: inside of its edges, which leave room for the axes.

    Attributes:
        width: Of the whole drawing.
        height: Of the whole drawing.
        left: Where the plot begins.
        right: Where it ends.
        top: Where it begins.
        bottom: Where it ends.
    """

    width: int = 580
    height: int = 420
    left: int = 76
    right: int = 572
    top: int = 12
    bottom: int = 362


def chart(kind: str, label: str, frame: Frame, *children: Child, **data: str) -> Markup:
    """A drawing with a label for those who can't see it; its points can be walked through with the arrow keys."""
    return element(
        "svg",
        children,
        class_=f"chart {kind}",
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="group",
        aria_label=label,
        **data,
    )


def figure(title: str, drawing: Child, *below: Child, kind: str | None = None) -> Markup:
    """A chart with its title above it, and what has to be known beneath."""
    caption = element("figcaption", element("h3", title), [element("p", line) for line in below if line])
    return element("figure", caption, drawing, class_=kind)


def upright_axis(scale: Scale, frame: Frame, name: str) -> Markup:
    """Marks on the left, with faint lines across the plot."""
    lines = []
    room = int(abs(scale.stop - scale.start)) // _TICK
    for tick in scale.ticks(max(1, min(5, room))):
        y = scale(tick)
        lines.append(element("path", class_="grid", d=f"M{frame.left} {y:.1f}H{frame.right}"))
        lines.append(
            element(
                "text", tick_text(tick), class_="tick", x=frame.left - 8, y=y, dy="0.35em", text_anchor="end"
            )
        )
    middle = (frame.top + frame.bottom) / 2
    title = element(
        "text", name, class_="axis", transform=f"translate(10 {middle:.0f}) rotate(-90)", text_anchor="middle"
    )
    return element("g", lines, title, aria_hidden="true")


def level_axis(ticks: Sequence[tuple[float, str]], frame: Frame, name: str) -> Markup:
    """Marks beneath the plot, at places that are given."""
    base = element("path", class_="base", d=f"M{frame.left} {frame.bottom}H{frame.right}")
    texts = [
        element("text", label, class_="tick", x=x, y=frame.bottom + 22, text_anchor="middle")
        for x, label in ticks
    ]
    middle = (frame.left + frame.right) / 2
    title = element("text", name, class_="axis", x=middle, y=frame.height - 10, text_anchor="middle")
    return element("g", base, texts, title, aria_hidden="true")


def layer_marks(places: Sequence[float], most: int) -> list[tuple[float, str]]:
    """Numbers of layers, as many as fit beneath a chart.

    Args:
        places: Where the layers stand, first to last.
        most: How many of two digits fit.
    """
    every = -(-len(places) // (most if len(places) < 100 else most // 2))
    return [(x, f"[{p + 1}]") for p, x in enumerate(places) if p % every == 0]


def point(tip: str, *children: Child) -> Markup:
    """A part of a chart that says its numbers when it is pointed at or reached by keyboard."""
    return element("g", children, class_="point", role="img", tabindex=-1, aria_label=tip, data_tip=tip)


def tick_text(value: float) -> str:
    """A round number as an axis has it."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:g}" if 1e-3 <= size < 1e5 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def number(value: float | None) -> str:
    """A number as the terminal has it."""
    return numbers.number(value)
