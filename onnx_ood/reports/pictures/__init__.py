"""Results as pictures, PNG and SVG: drawn by matplotlib, which is optional."""

from __future__ import annotations

from onnx_ood.reports.pictures.canvas import check_pictures

__all__ = ["check_pictures"]
