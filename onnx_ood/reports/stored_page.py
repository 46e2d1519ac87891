"""Any stored result as a page."""

from __future__ import annotations

from importlib.metadata import version
from io import StringIO

from pydantic import BaseModel
from rich.console import Console

from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.check.result import CheckResult
from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.audits.preprocess.result import PreprocessResult
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.reports._html.markup import element, joined
from onnx_ood.reports._html.page import page
from onnx_ood.reports.bench.page import bench_page
from onnx_ood.reports.check.page import check_page
from onnx_ood.reports.directions.page import directions_page
from onnx_ood.reports.plane.page import plane_page
from onnx_ood.reports.preprocess.page import preprocess_page
from onnx_ood.reports.printing import print_result
from onnx_ood.reports.score.page import score_page
from onnx_ood.reports.sensitivity.page import sensitivity_page

_WIDTH = 110
_TOP = 20


def result_page(result: BaseModel) -> str:
    """A result as a page: what reads best as lines of text has them on it, as the terminal shows them.

    Args:
        result: One of `onnx_ood.audits.stored.KINDS`.

    Returns:
        The page as text.
    """
    match result:
        case ScoreResult():
            return score_page(result)
        case BenchResult():
            return bench_page(result)
        case SensitivityResult():
            return sensitivity_page(result)
        case CheckResult():
            return check_page(result)
        case DirectionsResult():
            return directions_page(result)
        case PreprocessResult():
            return preprocess_page(result)
        case PlaneResult():
            return plane_page(result)
        case _:
            return _text_page(result)


def _text_page(result: BaseModel) -> str:
    kind = str(type(result).model_fields["format"].default).split("/")[1]
    text = StringIO()
    console = Console(file=text, width=_WIDTH, color_system=None, highlight=False, markup=False, emoji=False)
    print_result(console, result, _TOP)
    shown = "\n".join(line.rstrip() for line in text.getvalue().splitlines())
    content = joined(
        element("h1", f"onnx-ood {kind}", id="verdict-name"),
        element("pre", element("code", shown), tabindex=0, role="group", aria_label="Report"),
    )
    return page(kind, kind, [("verdict", "Report", content)], result, version("onnx_ood"))
