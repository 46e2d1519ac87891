"""Audit third-party neural networks given only an ONNX file.

`load` reads a model's graph, `measure` runs nudged inputs through it and tells how its activations turn
and switch; `onnx_ood.audits` answers whole questions with them.
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
from onnx_ood.graph import Model, Tensor, load, select
from onnx_ood.measurement import Measurement, measure

__all__ = [
    "InputError",
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
    "load",
    "measure",
    "select",
]
