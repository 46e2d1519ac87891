"""Piecewise-linear networks in float64: boundaries of their linear regions. Uses onnx, never onnxruntime."""

from onnx_ood.piecewise.nearest import NearestBoundary, nearest_boundary
from onnx_ood.piecewise.program import read_program
from onnx_ood.piecewise.segment import Boundaries, boundaries
from onnx_ood.piecewise.steps import Program

__all__ = ["Boundaries", "NearestBoundary", "Program", "boundaries", "nearest_boundary", "read_program"]
