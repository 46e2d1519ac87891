"""Audit third-party neural networks given only an ONNX file.

`load` reads a model's graph, `instrument` rewrites it so that any tensor can be watched, `measure` runs nudged inputs
through it and tells how its activations turn and switch; `onnx_ood.audits` answers whole questions with them.
"""

from onnx_ood.exceptions import (
    InputError,
    ModelError,
    NotEvaluatedError,
    OnnxOodError,
    OutputError,
    ProviderError,
    SelectorError,
    UsageError,
)
from onnx_ood.graph import Instrumented, Model, Tensor, instrument, load, select
from onnx_ood.runtime import Measurement, measure, observer_effect

__all__ = [
    "InputError",
    "Instrumented",
    "Measurement",
    "Model",
    "ModelError",
    "NotEvaluatedError",
    "OnnxOodError",
    "OutputError",
    "ProviderError",
    "SelectorError",
    "Tensor",
    "UsageError",
    "instrument",
    "load",
    "measure",
    "observer_effect",
    "select",
]
