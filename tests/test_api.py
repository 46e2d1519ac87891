"""What `import onnx_ood` promises."""

from __future__ import annotations

import inspect

import pytest

import onnx_ood

EXPORTED = {
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
}


def test_the_package_exports_the_documented_names() -> None:
    assert set(onnx_ood.__all__) == EXPORTED
    for name in onnx_ood.__all__:
        assert getattr(onnx_ood, name).__doc__ or name == "__version__"


def test_measure_is_a_function_not_a_module() -> None:
    assert inspect.isfunction(onnx_ood.measure)
    assert list(inspect.signature(onnx_ood.measure).parameters) == [
        "model",
        "batch",
        "probes",
        "nudges",
        "site",
        "provider",
        "batch_size",
        "feeds",
        "exact",
    ]


@pytest.mark.parametrize(
    ("error", "parent", "code"),
    [
        (onnx_ood.UsageError, onnx_ood.OnnxOodError, 64),
        (onnx_ood.SelectorError, onnx_ood.UsageError, 64),
        (onnx_ood.ModelError, onnx_ood.OnnxOodError, 2),
        (onnx_ood.ProviderError, onnx_ood.OnnxOodError, 2),
        (onnx_ood.InputError, onnx_ood.OnnxOodError, 2),
        (onnx_ood.NotEvaluatedError, onnx_ood.OnnxOodError, 3),
        (onnx_ood.OutputError, onnx_ood.OnnxOodError, 2),
    ],
)
def test_each_error_has_its_exit_code(
    error: type[onnx_ood.OnnxOodError], parent: type[Exception], code: int
) -> None:
    assert error.__bases__ == (parent,)
    assert error.exit_code == code


def test_errors_are_not_those_of_python() -> None:
    assert onnx_ood.OnnxOodError.__bases__ == (Exception,)
