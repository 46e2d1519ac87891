"""Picture of the sensitivity audit."""

from __future__ import annotations

from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports.sensitivity.charts import model_name, norms_figure, trajectory_figures


def sensitivity_picture(result: SensitivityResult) -> str:
    """Draw norms and trajectories of all models as a standalone SVG.

    Args:
        result: Result of the sensitivity audit.
    """
    names = [model_name(model) for model in result.models]
    norms = norms_figure(result.models)
    rows = [FigureRow("", [norms] if norms else [])]
    rows += [
        FigureRow(name if len(names) > 1 else "", trajectory_figures(model))
        for name, model in zip(names, result.models, strict=True)
    ]
    return picture(", ".join(names), [f"Sensitivity, {result.directions} directions"], rows)
