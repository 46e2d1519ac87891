"""Audits: one question answered end to end, one module each."""

from onnx_ood.audits.bench.audit import bench
from onnx_ood.audits.bench.config import BenchFile, read_bench_file
from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.audits.check.audit import Checked, check
from onnx_ood.audits.check.baseline import Baseline
from onnx_ood.audits.check.config import NAMES as CHECK_NAMES
from onnx_ood.audits.check.config import CheckFile, CheckPlan, find_check_file, read_check_file
from onnx_ood.audits.check.result import EXIT_CODES, CheckResult
from onnx_ood.audits.check.starter import STARTER
from onnx_ood.audits.demo.audit import demo
from onnx_ood.audits.demo.result import DemoResult
from onnx_ood.audits.diff.audit import diff
from onnx_ood.audits.diff.result import DiffResult
from onnx_ood.audits.directions.audit import directions
from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.audits.directions.settings import DirectionsSettings
from onnx_ood.audits.doctor.audit import DoctorResult, doctor
from onnx_ood.audits.inspect.audit import InspectResult, inspect
from onnx_ood.audits.plane.audit import plane
from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.audits.plane.settings import PlaneSettings
from onnx_ood.audits.preprocess.audit import detective
from onnx_ood.audits.preprocess.result import DetectiveResult
from onnx_ood.audits.preprocess.settings import DetectiveSettings
from onnx_ood.audits.score.audit import score
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.audits.score.stream.summary import Summary, read_summary
from onnx_ood.audits.sensitivity.audit import sensitivity
from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.audits.sensitivity.settings import SensitivitySettings
from onnx_ood.audits.stored import read_result

__all__ = [
    "CHECK_NAMES",
    "EXIT_CODES",
    "STARTER",
    "Baseline",
    "BenchFile",
    "BenchResult",
    "BenchSettings",
    "CheckFile",
    "CheckPlan",
    "CheckResult",
    "Checked",
    "DemoResult",
    "DetectiveResult",
    "DetectiveSettings",
    "DiffResult",
    "DirectionsResult",
    "DirectionsSettings",
    "DoctorResult",
    "InspectResult",
    "PlaneResult",
    "PlaneSettings",
    "ScoreResult",
    "ScoreSettings",
    "SensitivityResult",
    "SensitivitySettings",
    "Streaming",
    "Summary",
    "bench",
    "check",
    "demo",
    "detective",
    "diff",
    "directions",
    "doctor",
    "find_check_file",
    "inspect",
    "plane",
    "read_bench_file",
    "read_check_file",
    "read_result",
    "read_summary",
    "score",
    "sensitivity",
]
