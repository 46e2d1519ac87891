"""Charts of lines, one for each name, which stands to the left of it."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.reports import words
from onnx_ood.reports._html.charts import Frame
from onnx_ood.reports._html.markup import Markup, element

# Of a name: its longest, in signs, and what a sign takes in the larger letters of narrow screens.
_LONGEST, _SIGN = 26, 9.2
_LEAST, _GAP = 76, 10


def row_frame(names: Sequence[str], height: int) -> Frame:
    """A frame with room for the names.

    Args:
        names: Of all lines.
        height: Of a line.
    """
    longest = min(_LONGEST, max(map(len, names)))
    bottom = len(names) * height + 12
    left = max(_LEAST, round(longest * _SIGN) + 2 * _GAP)
    return Frame(height=bottom + 50, left=left, right=566, top=6, bottom=bottom)


def row_name(name: str, frame: Frame, y: float) -> Markup:
    """The name of a line, beside its middle."""
    return element(
        "text",
        words.shorten_middle(name, _LONGEST),
        class_="tick",
        x=frame.left - _GAP,
        y=y,
        dy="0.35em",
        text_anchor="end",
        aria_hidden="true",
    )
