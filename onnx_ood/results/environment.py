"""Versions that a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy
import onnx
import onnxruntime

from onnx_ood.results.base import Environment


def environment() -> Environment:
    """The versions of what made the numbers."""
    return Environment(
        onnx_ood=version("onnx_ood"),
        onnx=onnx.__version__,
        onnxruntime=onnxruntime.__version__,
        numpy=numpy.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
    )
