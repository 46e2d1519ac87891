"""Audits: one question answered end to end, one module each."""

from onnx_ood.audits.bench import bench
from onnx_ood.audits.bench_file import BenchFile, read_bench_file
from onnx_ood.audits.bench_result import BenchResult
from onnx_ood.audits.bench_settings import BenchSettings
from onnx_ood.audits.check import Checked, check
from onnx_ood.audits.check_baseline import Baseline
from onnx_ood.audits.check_file import NAMES as CHECK_NAMES
from onnx_ood.audits.check_file import CheckFile, CheckPlan, find_check_file, read_check_file
from onnx_ood.audits.check_result import EXIT_CODES, CheckResult
from onnx_ood.audits.check_starter import STARTER
from onnx_ood.audits.demo import demo
from onnx_ood.audits.demo_result import DemoResult
from onnx_ood.audits.detective import detective
from onnx_ood.audits.detective_result import DetectiveResult
from onnx_ood.audits.detective_settings import DetectiveSettings
from onnx_ood.audits.diff import diff
from onnx_ood.audits.diff_result import DiffResult
from onnx_ood.audits.directions import directions
from onnx_ood.audits.directions_result import DirectionsResult
from onnx_ood.audits.directions_settings import DirectionsSettings
from onnx_ood.audits.doctor import DoctorResult, doctor
from onnx_ood.audits.inspect import InspectResult, inspect
from onnx_ood.audits.plane import plane
from onnx_ood.audits.plane_result import PlaneResult
from onnx_ood.audits.plane_settings import PlaneSettings
from onnx_ood.audits.score import score
from onnx_ood.audits.score_result import ScoreResult
from onnx_ood.audits.sensitivity import sensitivity
from onnx_ood.audits.sensitivity_result import SensitivityResult
from onnx_ood.audits.sensitivity_settings import SensitivitySettings
from onnx_ood.audits.settings import ScoreSettings, Streaming
from onnx_ood.audits.stored import read_result
from onnx_ood.audits.summary import Summary, read_summary

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
