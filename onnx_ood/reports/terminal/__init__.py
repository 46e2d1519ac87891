"""Results on a terminal, by rich: readable without colour, as wide as the terminal is."""

from onnx_ood.reports.terminal.bench import print_bench
from onnx_ood.reports.terminal.check import print_check
from onnx_ood.reports.terminal.demo import print_demo
from onnx_ood.reports.terminal.detective import print_detective
from onnx_ood.reports.terminal.diff import print_diff
from onnx_ood.reports.terminal.directions import print_directions
from onnx_ood.reports.terminal.doctor import print_doctor
from onnx_ood.reports.terminal.inspect import print_inspect
from onnx_ood.reports.terminal.instrument import print_instrumented
from onnx_ood.reports.terminal.plane import print_plane
from onnx_ood.reports.terminal.score import print_score
from onnx_ood.reports.terminal.sensitivity import print_sensitivity
from onnx_ood.reports.terminal.stored import print_result

__all__ = [
    "print_bench",
    "print_check",
    "print_demo",
    "print_detective",
    "print_diff",
    "print_directions",
    "print_doctor",
    "print_inspect",
    "print_instrumented",
    "print_plane",
    "print_result",
    "print_score",
    "print_sensitivity",
]
