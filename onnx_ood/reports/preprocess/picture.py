"""Picture of the preprocess audit."""

from __future__ import annotations

from onnx_ood.audits.preprocess.result import PreprocessResult
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports.preprocess.page import question_figure


def preprocess_picture(result: PreprocessResult) -> str:
    """Draw the candidates of all questions as a standalone SVG.

    Args:
        result: Result of the preprocess audit.
    """
    name = result.model.path.rpartition("/")[2]
    return picture(name, [], [FigureRow("", [question_figure(one)]) for one in result.questions])
