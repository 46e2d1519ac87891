"""Which execution provider can run here, found out without C++ noise on the terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from onnx_ood.exceptions import ProviderError, UsageError
from onnx_ood.runtime.gpu_driver import gpu_count

Choice = Literal["auto", "cuda", "cpu"]
Provider = Literal["cuda", "cpu"]

EXECUTION_PROVIDERS: dict[Provider, str] = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """The provider that will be asked for.

    Attributes:
        provider: `"cuda"` or `"cpu"`.
        reason: Why it is the CPU although a GPU build or a GPU was looked for; empty if there is nothing to say.
    """

    provider: Provider
    reason: str


def resolve(choice: str) -> Resolved:
    """Turns the user's choice into a provider that can run on this machine.

    Args:
        choice: `"auto"` (CUDA if it can run, else the CPU), `"cuda"` or `"cpu"`.

    Returns:
        The provider and, where `auto` fell back to the CPU, the reason.

    Raises:
        UsageError: If the choice is none of the three.
        ProviderError: If `"cuda"` is asked for and cannot run.
    """
    if choice not in get_args(Choice):
        raise UsageError(f"provider {choice!r} is unknown: choose auto, cuda or cpu")
    if choice == "cpu":
        return Resolved("cpu", "")
    problem = cuda_problem()
    if problem is None:
        return Resolved("cuda", "")
    if choice == "cuda":
        raise ProviderError(f"CUDA cannot run here: {problem}; use --provider cpu, or see onnx-ood doctor")
    return Resolved("cpu", problem)


@cache
def cuda_problem() -> str | None:
    """Why the CUDA execution provider can't run here, or None if it can.

    The checks go from the outside in: the build of onnxruntime, the driver and its devices, and only then
    a session on CUDA. On a machine without a GPU nothing is tried that would make onnxruntime print.
    """
    if EXECUTION_PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        return "this onnxruntime is built without CUDA (onnxruntime-gpu has it)"
    count = gpu_count()
    if count is None:
        return "no NVIDIA driver is installed"
    if count == 0:
        return "the NVIDIA driver shows no GPU"
    preload_cuda()
    if session_works("cuda"):
        return None
    return missing_cuda_library() or "onnxruntime could not create a session on CUDA"


@cache
def preload_cuda() -> None:
    """Loads CUDA and cuDNN that came as Python packages, which the dynamic linker would not find."""
    if hasattr(onnxruntime, "preload_dlls"):
        # It reports by print() what it can't find; `missing_cuda_library` says it more precisely.
        with redirect_stdout(StringIO()):
            onnxruntime.preload_dlls()


def session_works(provider: Provider) -> bool:
    """Tries a session of one node on a provider; true only if it really runs there."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    same = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "trial", [value], [same])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    wanted = EXECUTION_PROVIDERS[provider]
    try:
        with quiet_runtime():
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[wanted])
            session.disable_fallback()
            (result,) = session.run(None, {"x": np.array([1.0], dtype=np.float32)})
    except Exception:
        # Whatever the reason, `missing_cuda_library` and the doctor look for it.
        return False
    return wanted in session.get_providers() and bool(result[0] == -1.0)


@cache
def missing_cuda_library() -> str | None:
    """What keeps the CUDA provider's library from loading, or None if it loads.

    Another process tries it: loaded by hand before onnxruntime loads it, the library would stay without
    its link to the runtime and crash the first session.
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


@contextmanager
def quiet_runtime() -> Iterator[None]:
    """Keeps onnxruntime's logger and Python layer from writing to the terminal; failures come as exceptions."""
    onnxruntime.set_default_logger_severity(4)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(2)
