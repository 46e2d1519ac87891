"""Networks that are affine between boundaries, in float64. Knows onnx, knows nothing of its runtime."""

from onnx_ood.piecewise.nearest import Nearest, nearest_boundary
from onnx_ood.piecewise.program import read_program
from onnx_ood.piecewise.segment import Boundaries, boundaries
from onnx_ood.piecewise.steps import Program

__all__ = ["Boundaries", "Nearest", "Program", "boundaries", "nearest_boundary", "read_program"]
