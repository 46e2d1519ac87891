"""Audit third-party neural networks given only an ONNX file.

`fit` learns from known-good inputs once and returns an `Auditor` that scores others. Audits answer a question end to
end: `score`, `bench`, `check`, `sensitivity`, `plane`, `directions`, `preprocess`, `inspect`. Building blocks: `load`
reads a graph, `select` picks tensors, `instrument` rewrites the graph, `measure` runs perturbed inputs through it.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# Before onnxruntime is imported, here and in programs started from here: it would write an identifier of the machine to
# the user's cache, and send events with names in the model. A value that the user has set is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from onnx_ood import exceptions
from onnx_ood._audits import public_names

# Imported when first used: most programs need a few of them, and the command line none before it knows its command.
# Type checkers read __init__.pyi, which docs/generate.py writes.
_HOMES = {
    **public_names(),
    **dict.fromkeys((name for name in vars(exceptions) if name.endswith("Error")), exceptions.__name__),
    "Auditor": "onnx_ood.audits.score.auditor",
    "Detector": "onnx_ood.detectors",
    "Instrumented": "onnx_ood.graph",
    "Measurement": "onnx_ood.runtime",
    "Model": "onnx_ood.graph",
    "Prober": "onnx_ood.runtime",
    "Streaming": "onnx_ood.audits.score.settings",
    "Tensor": "onnx_ood.graph",
    "cache_info": "onnx_ood.evidence.user_cache",
    "clear_cache": "onnx_ood.evidence.user_cache",
    "find_detector": "onnx_ood.detectors",
    "fit": "onnx_ood.audits.score.auditor",
    "instrument": "onnx_ood.graph",
    "list_detectors": "onnx_ood.detectors",
    "load": "onnx_ood.graph",
    "measure": "onnx_ood.runtime.measure",
    "observer_effect": "onnx_ood.runtime.measure",
    "read_result": "onnx_ood.results.registry",
    "read_summary": "onnx_ood.audits.score.stream.summary",
    "register_detector": "onnx_ood.detectors",
    "select": "onnx_ood.graph",
}

__all__ = list({"__version__": "", **_HOMES})


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
