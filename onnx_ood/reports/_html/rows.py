"""Charts with one named row per line."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.reports import words
from onnx_ood.reports._html.charts import Frame
from onnx_ood.reports._html.markup import Markup, element

# Characters of a name, and width of one in the larger text of narrow screens.
_MAX_NAME, _CHARACTER = 26, 9.2
_MIN_LEFT, _GAP = 76, 10


def row_frame(names: Sequence[str], height: int) -> Frame:
    """Draw a frame with room for the names.

    Args:
        names: Names of all rows.
        height: Height of a row.
    """
    longest = min(_MAX_NAME, max(map(len, names)))
    bottom = len(names) * height + 12
    left = max(_MIN_LEFT, round(longest * _CHARACTER) + 2 * _GAP)
    return Frame(height=bottom + 50, left=left, right=566, top=6, bottom=bottom)


def row_name(name: str, frame: Frame, y: float) -> Markup:
    """Name of a row, left of its middle."""
    return element(
        "text",
        words.shorten_middle(name, _MAX_NAME),
        class_="tick",
        x=frame.left - _GAP,
        y=y,
        dy="0.35em",
        text_anchor="end",
        aria_hidden="true",
    )
