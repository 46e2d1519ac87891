"""Results as pages: one HTML file each, which loads nothing and holds the result as JSON."""

from onnx_ood.reports.bench.page import bench_page
from onnx_ood.reports.check.page import check_page
from onnx_ood.reports.directions.page import directions_page
from onnx_ood.reports.plane.page import plane_page
from onnx_ood.reports.preprocess.page import preprocess_page
from onnx_ood.reports.score.page import score_page
from onnx_ood.reports.sensitivity.page import sensitivity_page
from onnx_ood.reports.stored_page import result_page

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
