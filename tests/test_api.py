"""What `import onnx_ood` promises."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import onnx_ood

BUILDING_BLOCKS = {
    "Auditor",
    "Detector",
    "DetectorError",
    "InputError",
    "InputTypeError",
    "Instrumented",
    "Measurement",
    "Model",
    "ModelError",
    "NotEvaluatedError",
    "OnnxOodError",
    "OutputError",
    "Prober",
    "ProviderError",
    "SelectorError",
    "Streaming",
    "Tensor",
    "TooFewReferencesError",
    "UsageError",
    "__version__",
    "cache_info",
    "clear_cache",
    "find_detector",
    "fit",
    "list_detectors",
    "load",
    "measure",
    "observer_effect",
    "read_result",
    "read_summary",
    "register_detector",
    "select",
}
TREE = Path(onnx_ood.__file__).parent / "audits"


def names_of_audits() -> set[str]:
    """Function, settings and result of each folder of an audit, as its modules define them."""
    names = set()
    for folder in (path.parent for path in TREE.glob("*/result.py")):
        names |= {folder.name, f"{folder.name.title()}Result"}
        if (folder / "settings.py").exists():
            names.add(f"{folder.name.title()}Settings")
    return names


def test_the_package_exports_the_documented_names() -> None:
    assert {"score", "ScoreResult", "ScoreSettings", "instrument", "InstrumentResult"} < names_of_audits()
    assert set(onnx_ood.__all__) == BUILDING_BLOCKS | names_of_audits()
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
        "batch_axis",
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
