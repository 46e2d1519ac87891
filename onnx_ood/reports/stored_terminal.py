"""Any stored result on a terminal."""

from __future__ import annotations

from pydantic import BaseModel
from rich.console import Console

from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.check.result import CheckResult
from onnx_ood.audits.demo.result import DemoResult
from onnx_ood.audits.diff.result import DiffResult
from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.audits.doctor.result import DoctorResult
from onnx_ood.audits.inspect.result import InspectResult
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.audits.preprocess.result import PreprocessResult
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.reports.bench.terminal import print_bench
from onnx_ood.reports.check.terminal import print_check
from onnx_ood.reports.demo.terminal import print_demo
from onnx_ood.reports.diff.terminal import print_diff
from onnx_ood.reports.directions.terminal import print_directions
from onnx_ood.reports.doctor.terminal import print_doctor
from onnx_ood.reports.inspect.terminal import print_inspect
from onnx_ood.reports.plane.terminal import print_plane
from onnx_ood.reports.preprocess.terminal import print_preprocess
from onnx_ood.reports.score.terminal import print_score
from onnx_ood.reports.sensitivity.terminal import print_sensitivity


def print_result(console: Console, result: BaseModel, top: int) -> None:
    """Prints a result as the command that made it did.

    Args:
        console: Where to.
        result: One of `onnx_ood.audits.stored.KINDS`.
        top: How many inputs to list.
    """
    match result:
        case ScoreResult():
            print_score(console, result, top)
        case BenchResult():
            print_bench(console, result, top)
        case DirectionsResult():
            print_directions(console, result, top)
        case SensitivityResult():
            print_sensitivity(console, result, top)
        case PlaneResult():
            print_plane(console, result, ())
        case PreprocessResult():
            print_preprocess(console, result, top)
        case InspectResult():
            print_inspect(console, result)
        case DoctorResult():
            print_doctor(console, result)
        case DemoResult():
            print_demo(console, result)
        case CheckResult():
            print_check(console, result)
        case DiffResult():
            print_diff(console, result, top)
        case _:
            raise TypeError(f"{type(result).__name__} is no result that is shown")
