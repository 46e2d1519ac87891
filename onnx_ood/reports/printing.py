"""Results on a terminal, by rich: readable without colour, as wide as the terminal is."""

from onnx_ood.reports.bench.terminal import print_bench
from onnx_ood.reports.check.terminal import print_check
from onnx_ood.reports.demo.terminal import print_demo
from onnx_ood.reports.diff.terminal import print_diff
from onnx_ood.reports.directions.terminal import print_directions
from onnx_ood.reports.doctor.terminal import print_doctor
from onnx_ood.reports.inspect.terminal import print_inspect
from onnx_ood.reports.instrument.terminal import print_instrumented
from onnx_ood.reports.plane.terminal import print_plane
from onnx_ood.reports.preprocess.terminal import print_preprocess
from onnx_ood.reports.score.terminal import print_score
from onnx_ood.reports.sensitivity.terminal import print_sensitivity
from onnx_ood.reports.stored_terminal import print_result

__all__ = [
    "print_bench",
    "print_check",
    "print_demo",
    "print_diff",
    "print_directions",
    "print_doctor",
    "print_inspect",
    "print_instrumented",
    "print_plane",
    "print_preprocess",
    "print_result",
    "print_score",
    "print_sensitivity",
]
