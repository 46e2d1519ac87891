"""Audit third-party neural networks given only an ONNX file.

`fit` learns from known-good inputs once and returns an `Auditor` that scores others. Audits answer a question end to
end: `score`, `bench`, `check`, `sensitivity`, `plane`, `directions`, `preprocess`, `inspect`. Building blocks: `load`
reads a graph, `select` picks tensors, `instrument` rewrites the graph, `measure` runs perturbed inputs through it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from onnx_ood.exceptions import (
    InputError,
    InputTypeError,
    ModelError,
    NotEvaluatedError,
    OnnxOodError,
    OutputError,
    ProviderError,
    SelectorError,
    TooFewReferencesError,
    UsageError,
)

if TYPE_CHECKING:
    from onnx_ood.audits.bench.audit import bench
    from onnx_ood.audits.bench.result import BenchResult
    from onnx_ood.audits.bench.settings import BenchSettings
    from onnx_ood.audits.check.audit import check
    from onnx_ood.audits.check.result import CheckResult
    from onnx_ood.audits.demo.audit import demo
    from onnx_ood.audits.demo.result import DemoResult
    from onnx_ood.audits.diff.audit import diff
    from onnx_ood.audits.diff.result import DiffResult
    from onnx_ood.audits.directions.audit import directions
    from onnx_ood.audits.directions.result import DirectionsResult
    from onnx_ood.audits.directions.settings import DirectionsSettings
    from onnx_ood.audits.doctor.audit import doctor
    from onnx_ood.audits.doctor.result import DoctorResult
    from onnx_ood.audits.inspect.audit import inspect
    from onnx_ood.audits.inspect.result import InspectResult
    from onnx_ood.audits.plane.audit import plane
    from onnx_ood.audits.plane.result import PlaneResult
    from onnx_ood.audits.plane.settings import PlaneSettings
    from onnx_ood.audits.preprocess.audit import preprocess
    from onnx_ood.audits.preprocess.result import PreprocessResult
    from onnx_ood.audits.preprocess.settings import PreprocessSettings
    from onnx_ood.audits.score.audit import score
    from onnx_ood.audits.score.auditor import Auditor, fit
    from onnx_ood.audits.score.result import ScoreResult
    from onnx_ood.audits.score.settings import ScoreSettings, Streaming
    from onnx_ood.audits.score.stream.summary import read_summary
    from onnx_ood.audits.sensitivity.audit import sensitivity
    from onnx_ood.audits.sensitivity.result import SensitivityResult
    from onnx_ood.audits.sensitivity.settings import SensitivitySettings
    from onnx_ood.detectors import Detector, find_detector, list_detectors, register_detector
    from onnx_ood.graph import Instrumented, Model, Tensor, instrument, load, select
    from onnx_ood.results.registry import read_result
    from onnx_ood.runtime import Measurement, Prober
    from onnx_ood.runtime.measure import measure, observer_effect

# Imported when first used: most programs need a few of them, and the command line none before it knows its command.
_HOMES = {
    "Auditor": "onnx_ood.audits.score.auditor",
    "BenchResult": "onnx_ood.audits.bench.result",
    "BenchSettings": "onnx_ood.audits.bench.settings",
    "CheckResult": "onnx_ood.audits.check.result",
    "DemoResult": "onnx_ood.audits.demo.result",
    "Detector": "onnx_ood.detectors",
    "DiffResult": "onnx_ood.audits.diff.result",
    "DirectionsResult": "onnx_ood.audits.directions.result",
    "DirectionsSettings": "onnx_ood.audits.directions.settings",
    "DoctorResult": "onnx_ood.audits.doctor.result",
    "InspectResult": "onnx_ood.audits.inspect.result",
    "Instrumented": "onnx_ood.graph",
    "Measurement": "onnx_ood.runtime",
    "Model": "onnx_ood.graph",
    "PlaneResult": "onnx_ood.audits.plane.result",
    "PlaneSettings": "onnx_ood.audits.plane.settings",
    "PreprocessResult": "onnx_ood.audits.preprocess.result",
    "PreprocessSettings": "onnx_ood.audits.preprocess.settings",
    "Prober": "onnx_ood.runtime",
    "ScoreResult": "onnx_ood.audits.score.result",
    "ScoreSettings": "onnx_ood.audits.score.settings",
    "SensitivityResult": "onnx_ood.audits.sensitivity.result",
    "SensitivitySettings": "onnx_ood.audits.sensitivity.settings",
    "Streaming": "onnx_ood.audits.score.settings",
    "Tensor": "onnx_ood.graph",
    "bench": "onnx_ood.audits.bench.audit",
    "check": "onnx_ood.audits.check.audit",
    "demo": "onnx_ood.audits.demo.audit",
    "diff": "onnx_ood.audits.diff.audit",
    "directions": "onnx_ood.audits.directions.audit",
    "doctor": "onnx_ood.audits.doctor.audit",
    "find_detector": "onnx_ood.detectors",
    "fit": "onnx_ood.audits.score.auditor",
    "inspect": "onnx_ood.audits.inspect.audit",
    "instrument": "onnx_ood.graph",
    "list_detectors": "onnx_ood.detectors",
    "load": "onnx_ood.graph",
    "measure": "onnx_ood.runtime.measure",
    "observer_effect": "onnx_ood.runtime.measure",
    "plane": "onnx_ood.audits.plane.audit",
    "preprocess": "onnx_ood.audits.preprocess.audit",
    "read_result": "onnx_ood.results.registry",
    "read_summary": "onnx_ood.audits.score.stream.summary",
    "register_detector": "onnx_ood.detectors",
    "score": "onnx_ood.audits.score.audit",
    "select": "onnx_ood.graph",
    "sensitivity": "onnx_ood.audits.sensitivity.audit",
}

__all__ = [
    "Auditor",
    "BenchResult",
    "BenchSettings",
    "CheckResult",
    "DemoResult",
    "Detector",
    "DiffResult",
    "DirectionsResult",
    "DirectionsSettings",
    "DoctorResult",
    "InputError",
    "InputTypeError",
    "InspectResult",
    "Instrumented",
    "Measurement",
    "Model",
    "ModelError",
    "NotEvaluatedError",
    "OnnxOodError",
    "OutputError",
    "PlaneResult",
    "PlaneSettings",
    "PreprocessResult",
    "PreprocessSettings",
    "Prober",
    "ProviderError",
    "ScoreResult",
    "ScoreSettings",
    "SelectorError",
    "SensitivityResult",
    "SensitivitySettings",
    "Streaming",
    "Tensor",
    "TooFewReferencesError",
    "UsageError",
    "__version__",
    "bench",
    "check",
    "demo",
    "diff",
    "directions",
    "doctor",
    "find_detector",
    "fit",
    "inspect",
    "instrument",
    "list_detectors",
    "load",
    "measure",
    "observer_effect",
    "plane",
    "preprocess",
    "read_result",
    "read_summary",
    "register_detector",
    "score",
    "select",
    "sensitivity",
]


if not TYPE_CHECKING:  # With it, type checkers would take any name for exported.

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - takes as long as all the rest of this module

            value: Any = version("onnx_ood")
        elif name in _HOMES:
            value = getattr(import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module 'onnx_ood' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
