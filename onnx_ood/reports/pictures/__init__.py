"""Results as pictures, PNG and SVG: drawn by matplotlib, which is optional."""

from __future__ import annotations

from onnx_ood.reports.pictures.bench import draw_bench
from onnx_ood.reports.pictures.canvas import check_picture_folder, check_pictures
from onnx_ood.reports.pictures.plane import draw_plane
from onnx_ood.reports.pictures.sensitivity import draw_sensitivity

__all__ = ["check_picture_folder", "check_pictures", "draw_bench", "draw_plane", "draw_sensitivity"]
