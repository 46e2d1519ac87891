"""Execution providers that can run here, found without C++ messages on the terminal."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Literal, get_args

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from onnx_ood._dialect import named
from onnx_ood.exceptions import ProviderError, UsageError
from onnx_ood.runtime.gpu_driver import gpu_count

Choice = Literal["auto", "cuda", "cpu"]
Provider = Literal["cuda", "cpu"]

EXECUTION_PROVIDERS: dict[Provider, str] = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """The provider to request.

    Attributes:
        provider: `"cuda"` or `"cpu"`.
        reason: Why `"auto"` chose the CPU, or empty.
    """

    provider: Provider
    reason: str


def resolve(choice: str) -> Resolved:
    """Turn the user's choice into a provider that can run on this machine.

    Args:
        choice: `"auto"` (CUDA if it can run, else the CPU), `"cuda"` or `"cpu"`.

    Returns:
        The provider and, if `"auto"` fell back to the CPU, the reason.

    Raises:
        UsageError: If the choice is none of the three.
        ProviderError: If `"cuda"` is requested and cannot run.
    """
    if choice not in get_args(Choice):
        raise UsageError(f"unknown provider {choice!r}; choose auto, cuda or cpu")
    if choice == "cpu":
        return Resolved("cpu", "")
    problem = cuda_problem()
    if problem is None:
        return Resolved("cuda", "")
    if choice == "cuda":
        raise ProviderError(
            f"CUDA cannot run here: {problem}; use {named('provider', 'cpu')}, or see onnx-ood doctor"
        )
    return Resolved("cpu", problem)


@cache
def cuda_problem() -> str | None:
    """Reason why the CUDA execution provider can't run here, or None if it can.

    Checks the build of onnxruntime, the driver and its devices, the libraries, and last a session on CUDA. So nothing
    that makes onnxruntime print is tried on a machine without a GPU.
    """
    if EXECUTION_PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        return "this onnxruntime is built without CUDA (onnxruntime-gpu has it)"
    count = gpu_count()
    if count is None:
        return "no NVIDIA driver is installed"
    if count == 0:
        return "the NVIDIA driver shows no GPU"
    # Asked first: the runtime would write the reason to the terminal.
    if problem := missing_cuda_library():
        return problem
    preload_cuda()
    return None if session_works("cuda") else "onnxruntime could not create a session on CUDA"


@cache
def preload_cuda() -> None:
    """Load CUDA and cuDNN from Python packages, where the dynamic linker does not look."""
    if hasattr(onnxruntime, "preload_dlls"):
        # It prints what it can't find; `missing_cuda_library` is more precise. The copy prints nothing, while standard
        # output stays that of the program and its other threads.
        found = onnxruntime.preload_dlls
        silent = {**found.__globals__, "print": lambda *_, **__: None}
        FunctionType(found.__code__, silent, found.__name__, found.__defaults__)()


def session_works(provider: Provider) -> bool:
    """Try a session of one node on a provider; true only if it really runs there."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    same = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "trial", [value], [same])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    wanted = EXECUTION_PROVIDERS[provider]
    try:
        # Without a fallback the runtime prints nothing.
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=[wanted], enable_fallback=0
        )
        (result,) = session.run(None, {"x": np.array([1.0], dtype=np.float32)})
    except Exception:
        # `missing_cuda_library` and the doctor look for the reason.
        return False
    return wanted in session.get_providers() and bool(result[0] == -1.0)


@cache
def missing_cuda_library() -> str | None:
    """Reason why the CUDA provider's library doesn't load, or None if it loads.

    Tried in another process: loaded here before onnxruntime loads it, the library would lack its link to the runtime
    and crash the first session.
    """
    folder = Path(onnxruntime.__file__).parent / "capi"
    pattern = "onnxruntime_providers_{}.dll" if sys.platform == "win32" else "libonnxruntime_providers_{}.so"
    libraries = [str(folder / pattern.format(part)) for part in ("shared", "cuda")]
    script = (
        "import ctypes, contextlib, io, sys, onnxruntime\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    getattr(onnxruntime, 'preload_dlls', lambda: None)()\n"
        "try:\n"
        "    for name in sys.argv[1:]:\n"
        "        ctypes.CDLL(name, mode=getattr(ctypes, 'RTLD_GLOBAL', 0))\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *libraries], capture_output=True, text=True, timeout=120, check=False
    )
    message = found.stdout.strip().partition("\n")[0]
    if message:
        return f"a CUDA library cannot be loaded ({message})"
    return None if found.returncode == 0 else "the CUDA libraries crash when they are loaded"
