"""Picture of the directions audit."""

from __future__ import annotations

from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports.directions.page import counts_figure, layer_figures

_HEADING = "AUROC of a smaller drop at each layer: mean and range over settings"


def directions_picture(result: DirectionsResult) -> str:
    """Draw the directions of all sets as a standalone SVG: by setting, and at each layer.

    Args:
        result: Result of the directions audit.
    """
    name = result.model.path.rpartition("/")[2]
    rows = [
        FigureRow("", [counts_figure(result)]),
        FigureRow(_HEADING, layer_figures(result)),
    ]
    return picture(name, [result.conclusion], rows)
