"""Picture of the plane audit."""

from __future__ import annotations

from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports.plane.map import plane_figures, prediction_text
from onnx_ood.reports.plane.style import POINT_NAMES


def plane_picture(result: PlaneResult) -> str:
    """Draw a plane as a standalone SVG: classes with boundaries, and Jacobian norms.

    Args:
        result: Result of the plane audit.
    """
    name = result.model.path.rpartition("/")[2]
    points = []
    for point, one in zip(POINT_NAMES, result.points, strict=True):
        prediction = f" ({prediction_text(one.prediction)})" if one.prediction else ""
        points.append(f"{point}: {one.id}{prediction}")
    return picture(f"{name}, {result.probe.name}", points, [FigureRow("", plane_figures(result))])
