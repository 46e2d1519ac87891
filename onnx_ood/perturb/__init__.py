"""Noise families, corruptions, trajectories and planes: pure functions on arrays, seeded."""

from onnx_ood.perturb.corruptions.alterations import ALTERATIONS
from onnx_ood.perturb.corruptions.mild import mild_augmentations
from onnx_ood.perturb.corruptions.registry import KINDS, OVERLAYS, PSEUDO_OOD, STANDARD, Kind, apply
from onnx_ood.perturb.corruptions.synthetic_ood import SYNTHETIC_OOD
from onnx_ood.perturb.noise import FAMILIES, draw, draw_pink, draw_smooth
from onnx_ood.perturb.planes import Grid, Plane, plane_through
from onnx_ood.perturb.recipes import lesswrong_nudges
from onnx_ood.perturb.trajectories import (
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
    "FAMILIES",
    "KINDS",
    "OVERLAYS",
    "PSEUDO_OOD",
    "STANDARD",
    "SYNTHETIC_OOD",
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
    "mild_augmentations",
    "plane_through",
    "random_ellipse",
    "segment",
    "translations",
]
