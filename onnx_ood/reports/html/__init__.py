"""Results as pages: one HTML file each, which loads nothing and holds the result as JSON."""

from onnx_ood.reports.html.bench import bench_page
from onnx_ood.reports.html.check import check_page
from onnx_ood.reports.html.directions import directions_page
from onnx_ood.reports.html.plane import plane_page
from onnx_ood.reports.html.preprocess import preprocess_page
from onnx_ood.reports.html.score import score_page
from onnx_ood.reports.html.sensitivity import sensitivity_page
from onnx_ood.reports.html.stored import result_page

__all__ = [
    "bench_page",
    "check_page",
    "directions_page",
    "plane_page",
    "preprocess_page",
    "result_page",
    "score_page",
    "sensitivity_page",
]
