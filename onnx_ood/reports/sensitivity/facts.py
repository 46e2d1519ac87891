"""Sensitivity results in words, shared by terminal and page."""

from __future__ import annotations

from onnx_ood.audits.sensitivity.result import TrajectoryType

TYPE_NAMES: dict[TrajectoryType, str] = {
    "translations": "translations of one input",
    "same_class": "through three of one class",
    "different_classes": "through three classes",
    "random": "random, as far out as inputs",
}
"""Types of trajectories in words."""
