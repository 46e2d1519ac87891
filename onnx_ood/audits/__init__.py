"""Audits: one question answered end to end, one module each."""

from onnx_ood.audits.doctor import DoctorResult, doctor
from onnx_ood.audits.inspect import InspectResult, inspect
from onnx_ood.audits.score import score
from onnx_ood.audits.score_result import ScoreResult
from onnx_ood.audits.settings import ScoreSettings

__all__ = [
    "DoctorResult",
    "InspectResult",
    "ScoreResult",
    "ScoreSettings",
    "doctor",
    "inspect",
    "score",
]
