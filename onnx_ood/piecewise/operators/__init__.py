"""ONNX operators as steps of a piecewise-linear network, one module per family."""

from onnx_ood.piecewise.operators import elementwise, extrema, linear, rearranging, windows
from onnx_ood.piecewise.operators.registry import Context, UnsupportedError, has_units, steps_of

__all__ = [
    "Context",
    "UnsupportedError",
    "elementwise",
    "extrema",
    "has_units",
    "linear",
    "rearranging",
    "steps_of",
    "windows",
]
