"""The doctor audit: checks of the installation, with a remedy for each problem."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, distributions, version

import numpy as np
import onnxruntime

from onnx_ood import models
from onnx_ood.audits.doctor.result import Check, DoctorResult
from onnx_ood.exceptions import OnnxOodError
from onnx_ood.graph import load, suggest_probes
from onnx_ood.results.provenance import fallback_report, placement_text
from onnx_ood.runtime import Prober
from onnx_ood.runtime.gpu_driver import gpu_count
from onnx_ood.runtime.providers import cuda_problem, missing_cuda_library, session_works

_PACKAGES = (
    "onnx_ood",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "numpy",
    "pillow",
    "pydantic",
    "rich",
    "typer",
)
# Distributions of the module `onnxruntime`; each overwrites the files of another.
_RUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
)

# Measured to find where nodes run: small, with the operators of most image classifiers.
_TRIED = "fashion_cnn"
_TRIED_INPUTS = 2
_REPORT = "report it as a bug, with this whole output"

# Keeps onnxruntime from sending usage data.
_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_PIP = f"{sys.executable} -m pip"


def doctor() -> DoctorResult:
    """Check versions, runtimes and execution providers of this installation."""
    return DoctorResult(
        versions={name: found for name in _PACKAGES if (found := _version(name)) is not None},
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        checks=(
            _check_runtimes(),
            _check_cpu(),
            _check_gpu(),
            _check_cuda_libraries(),
            _check_cuda(),
            _check_telemetry(),
            _check_placement(),
        ),
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def installed_runtimes() -> tuple[str, ...]:
    """Installed distributions that provide the module `onnxruntime`."""
    names = {(entry.metadata["Name"] or "").lower().replace("_", "-") for entry in distributions()}
    return tuple(name for name in _RUNTIMES if name in names)


def _check_runtimes() -> Check:
    found = installed_runtimes()
    if len(found) <= 1:
        return Check(
            name="runtime", state="good", found=found[0] if found else "built from source", remedy=""
        )
    wanted = "onnxruntime-gpu" if "onnxruntime-gpu" in found else found[0]
    return Check(
        name="runtime",
        state="bad",
        found=f"{' and '.join(found)} are both installed and overwrite each other's files",
        remedy=f"{_PIP} uninstall -y {' '.join(found)} && {_PIP} install {wanted}",
    )


def _check_cpu() -> Check:
    works = session_works("cpu")
    return Check(
        name="cpu",
        state="good" if works else "bad",
        found="sessions can be created" if works else "onnxruntime cannot create a session",
        remedy="" if works else f"{_PIP} install --force-reinstall onnxruntime",
    )


def _check_gpu() -> Check:
    count = gpu_count()
    if count:
        return Check(name="gpu", state="good", found=f"{count} NVIDIA GPU{'s' * (count > 1)}", remedy="")
    return Check(
        name="gpu",
        state="note",
        found="no NVIDIA driver is installed" if count is None else "the NVIDIA driver shows no GPU",
        remedy="none needed without a GPU; otherwise install NVIDIA's driver and check nvidia-smi",
    )


def _check_cuda_libraries() -> Check:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return Check(
            name="cuda libraries",
            state="note",
            found="this onnxruntime is built without CUDA",
            remedy=f"{_PIP} uninstall -y onnxruntime && {_PIP} install onnxruntime-gpu",
        )
    problem = missing_cuda_library()
    return Check(
        name="cuda libraries",
        state="note" if problem else "good",
        found=problem or "CUDA and cuDNN can be loaded",
        remedy=f"{_PIP} install 'onnxruntime-gpu[cuda,cudnn]'" if problem else "",
    )


def _check_cuda() -> Check:
    problem = cuda_problem()
    return Check(
        name="cuda",
        state="note" if problem else "good",
        found=f"not usable: {problem}; audits run on the CPU" if problem else "sessions can be created",
        remedy="see the two lines above" if problem else "",
    )


def _check_telemetry() -> Check:
    """Read the setting of onnxruntime that `import onnx_ood` makes unless the user has made it."""
    value = os.environ.get(_TELEMETRY, "")
    sends = value.strip().lower() in {"", "0", "false"}
    return Check(
        name="telemetry",
        state="note" if sends else "good",
        found=f"onnxruntime {'may send' if sends else 'sends no'} usage data ({_TELEMETRY}={value})",
        remedy=f"export {_TELEMETRY}=1" if sends else "",
    )


def _check_placement() -> Check:
    """Measure a bundled model as audits do, and read where its nodes ran."""
    model = load(models.path(_TRIED))
    (fed,) = model.inputs
    shape = [size if isinstance(size, int) else _TRIED_INPUTS for size in fed.shape or ()]
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    try:
        prober = Prober(model, [suggestion.tensor for suggestion in suggest_probes(model)])
        prober.measure(images, np.full_like(images[:1], 0.01))
    except OnnxOodError as error:
        return Check(
            name="nodes", state="bad", found=f"a bundled model cannot be measured: {error}", remedy=_REPORT
        )
    lost = prober.fallback_nodes
    return Check(
        name="nodes",
        state="bad" if lost else "good",
        found=fallback_report(lost)
        if lost
        else f"of a bundled model, watched: {placement_text(prober.placement)}",
        remedy=_REPORT if lost else "",
    )
