"""Noise, corruptions, trajectories and planes: pure functions of arrays and a seed."""

from onnx_ood.perturb.corruptions.mild import mild_augmentations
from onnx_ood.perturb.corruptions.registry import (
    Alteration,
    BySize,
    Corruption,
    Family,
    apply,
    find_corruption,
    list_corruptions,
    register_corruption,
    register_synthetic_ood,
    synthetic_ood,
)
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
    "FAMILIES",
    "Alteration",
    "BySize",
    "Corruption",
    "Ellipse",
    "Family",
    "Grid",
    "Path",
    "Plane",
    "Trajectory",
    "apply",
    "closed_path",
    "draw",
    "draw_pink",
    "draw_smooth",
    "ellipse_through",
    "find_corruption",
    "lesswrong_nudges",
    "list_corruptions",
    "mild_augmentations",
    "plane_through",
    "random_ellipse",
    "register_corruption",
    "register_synthetic_ood",
    "segment",
    "synthetic_ood",
    "translations",
]
