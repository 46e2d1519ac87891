"""Facts of a sensitivity audit in words: the same on a terminal and on a page."""

from __future__ import annotations

from onnx_ood.audits.sensitivity.result import TrajectoryType

TYPE_NAMES: dict[TrajectoryType, str] = {
    "translations": "translations of one input",
    "same_class": "through three of one class",
    "different_classes": "through three classes",
    "random": "random, as far out as inputs",
}
"""What each kind of trajectory is, in words."""
