"""Scatter plots beside each other, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

SIDE = 280
MARGIN_LEFT, MARGIN_TOP, MARGIN_BOTTOM = 64, 84, 56
RADIUS = 4.5
# Of Okabe and Ito: colours that people with any colour vision can tell apart.
COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00")


@dataclass(frozen=True)
class Point:
    """One mark.

    Attributes:
        x: Where, on a logarithmic axis.
        y: Where, on a linear axis.
        colour: Index into the figure's colours.
        shape: Index into the figure's shapes: 0 a circle, 1 a square.
    """

    x: float
    y: float
    colour: int
    shape: int


@dataclass(frozen=True)
class Panel:
    """One plot.

    Attributes:
        title: Stands above.
        x_label: Stands below.
        points: The marks.
    """

    title: str
    x_label: str
    points: Sequence[Point]


def draw(panels: Sequence[Panel], y_label: str, colours: Sequence[str], shapes: Sequence[str]) -> str:
    """Draws panels that share the vertical axis.

    Args:
        panels: From left to right.
        y_label: What the vertical axis shows.
        colours: What each colour means.
        shapes: What each shape means.

    Returns:
        The SVG.
    """
    highest = 1.08 * max(point.y for panel in panels for point in panel.points)
    width = len(panels) * (MARGIN_LEFT + SIDE) + 24
    height = MARGIN_TOP + SIDE + MARGIN_BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_legend(colours, shapes),
    ]
    for index, panel in enumerate(panels):
        left = MARGIN_LEFT + index * (MARGIN_LEFT + SIDE)
        parts += [f'<g transform="translate({left} {MARGIN_TOP})">', *_panel(panel, y_label, highest), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(colours: Sequence[str], shapes: Sequence[str]) -> list[str]:
    entries = [(_mark(0, 0, colour, 0), name) for colour, name in enumerate(colours)]
    entries += [(_mark(0, 0, None, shape), name) for shape, name in enumerate(shapes)]
    parts = []
    left = float(MARGIN_LEFT + 6)
    for mark, name in entries:
        parts.append(f'<g transform="translate({left:.0f} 24)">{mark}{_text(12, 4, name)}</g>')
        left += 40 + 6.2 * len(name)
    return parts


def _panel(panel: Panel, y_label: str, highest: float) -> list[str]:
    logs = np.log10([point.x for point in panel.points])
    padding = 0.05 * (logs.max() - logs.min())
    low, high = float(logs.min() - padding), float(logs.max() + padding)
    parts = [
        f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>',
        _text(SIDE / 2, -14, panel.title, 'text-anchor="middle" font-weight="bold"'),
        _text(SIDE / 2, SIDE + 42, panel.x_label, 'text-anchor="middle"'),
        _text(0, 0, y_label, f'text-anchor="middle" transform="translate(-44 {SIDE / 2:.0f}) rotate(-90)"'),
    ]
    for value in _ticks(low, high):
        x = SIDE * (np.log10(value) - low) / (high - low)
        parts.append(f'<path d="M{x:.1f} {SIDE}v5" stroke="#888"/>')
        parts.append(_text(x, SIDE + 20, f"{value:g}", 'text-anchor="middle"'))
    for value in np.arange(0, highest, 0.2):
        y = SIDE * (1 - value / highest)
        parts.append(f'<path d="M0 {y:.1f}h-5" stroke="#888"/>')
        parts.append(_text(-9, y + 4, f"{value:.1f}", 'text-anchor="end"'))
    for point, log in zip(panel.points, logs, strict=True):
        x, y = SIDE * (float(log) - low) / (high - low), SIDE * (1 - point.y / highest)
        parts.append(_mark(x, y, point.colour, point.shape))
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within a range of decimal logarithms."""
    values = [
        digit * 10.0**power
        for power in range(int(np.floor(low)), int(np.ceil(high)) + 1)
        for digit in (1, 2, 5)
    ]
    return [value for value in values if low <= np.log10(value) <= high]


def _mark(x: float, y: float, colour: int | None, shape: int) -> str:
    paint = "#666" if colour is None else COLOURS[colour]
    style = f'fill="{paint}" fill-opacity="0.7" stroke="{paint}"'
    if shape == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" {style}/>'
    corner = RADIUS - 0.5
    return f'<rect x="{x - corner:.1f}" y="{y - corner:.1f}" width="{2 * corner}" height="{2 * corner}" {style}/>'


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
