"""Picture of the bench audit."""

from __future__ import annotations

from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports._html.series import MAX_SERIES
from onnx_ood.reports.bench.charts import means_figure, roc_figure, scores_figure, severities_figure
from onnx_ood.reports.bench.facts import headline


def bench_picture(result: BenchResult) -> str:
    """Draw a benchmark as a standalone SVG: mean AUROCs, ROC curves, severity curves and score distributions.

    Args:
        result: Result of the bench audit. ROC curves and distributions need scores in it.
    """
    shown = result.detectors[:MAX_SERIES]
    figures = [
        means_figure(result) if result.detectors else None,
        roc_figure(shown),
        severities_figure(result.corruptions) if result.corruptions else None,
        *map(scores_figure, shown),
    ]
    name = result.model.path.rpartition("/")[2]
    return picture(name, [headline(result)], [FigureRow("", [one]) for one in figures if one])
