"""What pictures and pages of planes have in common: colours of classes, strength of lines, the range of norms."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.plane.result import PlaneClass, PlaneClasses, PlaneJacobian, PlaneProbe
from onnx_ood.reports.numbers import percent

POINT_NAMES = "ABC"
"""What the three inputs are called."""

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
"""Of the classes, the most frequent first."""

OTHERS = "#dddddd"
"""Of all further classes."""

TOGETHER = 64
"""Lines in one path, which is as dark where they cross as elsewhere.

A path for each would make a file several times as large, and one for all would make dense places solid.
"""

# Lines are the fainter the more they are, so that where they are dense can be seen.
_FAINTEST, _DARKEST, _FEW = 0.06, 0.9, 36
# A saturated softmax is flat to dozens of decimal places; four show where it is steep.
_PLACES = 1e-4


def coloured(classes: PlaneClasses) -> tuple[Sequence[PlaneClass], Sequence[PlaneClass]]:
    """Classes that have a colour of their own, and the others."""
    return classes.found[: len(CLASS_COLOURS)], classes.found[len(CLASS_COLOURS) :]


def others_name(others: Sequence[PlaneClass]) -> str:
    """What a key says of classes without a colour."""
    return f"{len(others)} others, {percent(sum(one.share for one in others))}"


def strength(layer: PlaneProbe) -> float:
    """How opaque a layer's lines are."""
    return max(_FAINTEST, _DARKEST / sqrt(max(1.0, layer.switching / _FEW)))


def boundaries_title(layer: PlaneProbe, classes: PlaneClasses | None) -> str:
    """What the panel of classes and boundaries shows."""
    of = "" if layer.looked_at == layer.units else f"a sample of {layer.looked_at:,} of "
    return f"{'classes, and ' if classes else ''}boundaries of {of}{layer.units:,} {layer.op} units"


def norms_title(jacobian: PlaneJacobian) -> str:
    """What the panel of norms shows."""
    return f"norm of the Jacobian of {jacobian.probe}".replace("'", "")


def norm_range(norms: NDArray[np.float64]) -> tuple[float, float] | None:
    """The least and the largest norm of the colour scale, or None if all are 0 or unknown."""
    positive = norms[np.isfinite(norms) & (norms > 0)]
    if not positive.size:
        return None
    high = float(positive.max())
    return max(float(positive.min()), _PLACES * high), high
