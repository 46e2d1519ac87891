"""Colours of classes, opacity of lines and the range of norms on maps of planes."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from onnx_ood._types import Float
from onnx_ood.audits.plane.result import PlaneClass, PlaneClasses, PlaneJacobian, PlaneProbe
from onnx_ood.reports.numbers import percent

POINT_NAMES = "ABC"
"""Names of the three inputs."""

# P. Tol's light qualitative colours, safe for colour-blind readers under dark lines, and a violet.
CLASS_COLOURS = (
    "#77aadd",
    "#eedd88",
    "#44bb99",
    "#ffaabb",
    "#99ddff",
    "#ee8866",
    "#bbcc33",
    "#c5b0d5",
    "#aaaa00",
)
"""Colours of the classes, the most frequent first."""

OTHERS = "#dddddd"
"""Colour of all further classes."""

LINES_PER_PATH = 64
"""Lines in one path, which has one opacity even where they cross.

One path per line would make the file several times as large; one path for all would fill dense areas.
"""

# The more lines, the fainter, so that their density is visible.
_MIN_OPACITY, _MAX_OPACITY, _OPAQUE_LINES = 0.06, 0.9, 36
# A saturated softmax is flat to dozens of decimal places; four show where it is steep.
_RANGE = 1e-4


def coloured(classes: PlaneClasses) -> tuple[Sequence[PlaneClass], Sequence[PlaneClass]]:
    """Classes with a colour of their own, and the others."""
    return classes.found[: len(CLASS_COLOURS)], classes.found[len(CLASS_COLOURS) :]


def others_name(others: Sequence[PlaneClass]) -> str:
    """Legend of the classes without a colour."""
    return f"{len(others)} others, {percent(sum(one.share for one in others))}"


def line_opacity(layer: PlaneProbe) -> float:
    """Opacity of a layer's lines."""
    return max(_MIN_OPACITY, _MAX_OPACITY / sqrt(max(1.0, layer.switching / _OPAQUE_LINES)))


def boundaries_title(layer: PlaneProbe, classes: PlaneClasses | None) -> str:
    """Title of the map of classes and boundaries."""
    of = "" if layer.looked_at == layer.units else f"a sample of {layer.looked_at:,} of "
    return f"{'classes, and ' if classes else ''}boundaries of {of}{layer.units:,} {layer.op} units"


def norms_title(jacobian: PlaneJacobian) -> str:
    """Title of the map of norms."""
    return f"norm of the Jacobian of {jacobian.probe}".replace("'", "")


def norm_range(norms: Float) -> tuple[float, float] | None:
    """Smallest and largest norm of the colour scale, or None if all are 0 or unknown."""
    positive = norms[np.isfinite(norms) & (norms > 0)]
    if not positive.size:
        return None
    high = float(positive.max())
    return max(float(positive.min()), _RANGE * high), high
