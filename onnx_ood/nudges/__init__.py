"""Noise families, corruptions, trajectories and planes: pure functions on arrays, seeded."""

from onnx_ood.nudges.corruptions import CONTROLS, CORRUPTIONS
from onnx_ood.nudges.lesswrong import lesswrong_nudges
from onnx_ood.nudges.noise import FAMILIES, draw
from onnx_ood.nudges.planes import Grid, Plane, plane_through
from onnx_ood.nudges.trajectories import (
    Ellipse,
    Path,
    Trajectory,
    closed_path,
    ellipse_through,
    random_ellipse,
    segment,
    translations,
)

__all__ = [
    "CONTROLS",
    "CORRUPTIONS",
    "FAMILIES",
    "Ellipse",
    "Grid",
    "Path",
    "Plane",
    "Trajectory",
    "closed_path",
    "draw",
    "ellipse_through",
    "lesswrong_nudges",
    "plane_through",
    "random_ellipse",
    "segment",
    "translations",
]
