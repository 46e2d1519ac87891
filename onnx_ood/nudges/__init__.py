"""Noise families, corruptions, trajectories and planes: pure functions on arrays, seeded."""

from onnx_ood.nudges.alterations import ALTERATIONS
from onnx_ood.nudges.corruption_kinds import BY_HAND, KINDS, REHEARSALS, STANDARD, Kind, apply
from onnx_ood.nudges.lesswrong import lesswrong_nudges
from onnx_ood.nudges.noise import FAMILIES, draw, draw_pink, draw_smooth
from onnx_ood.nudges.planes import Grid, Plane, plane_through
from onnx_ood.nudges.slight import slight_copies
from onnx_ood.nudges.synthetic import CONTROLS
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
    "ALTERATIONS",
    "BY_HAND",
    "CONTROLS",
    "FAMILIES",
    "KINDS",
    "REHEARSALS",
    "STANDARD",
    "Ellipse",
    "Grid",
    "Kind",
    "Path",
    "Plane",
    "Trajectory",
    "apply",
    "closed_path",
    "draw",
    "draw_pink",
    "draw_smooth",
    "ellipse_through",
    "lesswrong_nudges",
    "plane_through",
    "random_ellipse",
    "segment",
    "slight_copies",
    "translations",
]
