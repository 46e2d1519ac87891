"""Results as pictures, PNG and SVG: drawn by matplotlib, which is optional."""

from __future__ import annotations

from onnx_ood.reports.pictures.canvas import check_pictures
from onnx_ood.reports.pictures.plane import draw_plane
from onnx_ood.reports.pictures.sensitivity import draw_sensitivity

__all__ = ["check_pictures", "draw_plane", "draw_sensitivity"]
