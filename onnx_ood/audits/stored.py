"""Read results stored as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ValidationError

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
from onnx_ood.exceptions import UsageError

KINDS: tuple[type[BaseModel], ...] = (
    ScoreResult,
    BenchResult,
    DirectionsResult,
    SensitivityResult,
    PlaneResult,
    PreprocessResult,
    InspectResult,
    DoctorResult,
    DemoResult,
    CheckResult,
    DiffResult,
)
"""Types of results stored as one JSON object."""
_BY_SCHEMA = {str(kind.model_fields["format"].default): kind for kind in KINDS}


def read_result(path: str | Path) -> BaseModel:
    """Read a stored result.

    Args:
        path: File written by `--json`.

    Returns:
        The result, of the type named by its key `schema`.

    Raises:
        UsageError: If the file cannot be read or holds no result of this version.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        schema = json.loads(text)["schema"]
        kind = _BY_SCHEMA[schema]
    except (ValueError, TypeError):
        raise UsageError(f"{path}: not a result of onnx-ood; name a file written by --json") from None
    except KeyError:
        known = ", ".join(_BY_SCHEMA)
        raise UsageError(f"{path}: unknown schema; this version reads {known}") from None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: does not match {schema} at {where}: {first['msg']}") from None
