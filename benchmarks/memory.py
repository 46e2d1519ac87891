"""Peak memory of an audit, relative to plain inference on the same batch: ResNet-50 at 224x224, 32 images.

    python benchmarks/memory.py [--provider cpu|cuda] [--runs 3] [--json FILE]

Plain inference is onnxruntime as it comes, of 32 images at once; the audit is one clean run and 7 nudged copies of 4
images, with one ReLU and with all 49. Each case is a process of its own, which does what it does `--runs` times:
host memory is the peak of its resident size, with what Python and the libraries take; device memory is what was free
before it started less the least that was free while it ran, as the driver says it every few milliseconds. So nothing
else may use the GPU meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import overhead
import plain_inference
import ratios
import resnet50

import onnx_ood
from onnx_ood.runtime.gpu_driver import free_memory

INPUTS, COPIES = overhead.INPUTS, overhead.COPIES
# ReLUs that are watched.
CASES = {"plain inference": 0, "audit, 1 ReLU": 1, "audit, all 49 ReLUs": 49}
TARGET = 1.1  # times plain inference, on CUDA
SAMPLED = 0.002  # seconds


@dataclass(frozen=True)
class Peak:
    """The most that one case held at a time.

    Attributes:
        host_mib: Resident memory of its process.
        device_mib: Memory of the GPU, None without one.
    """

    host_mib: float
    device_mib: float | None


def audit(path: Path, provider: str, runs: int, probes: int) -> None:
    """Measure as `score` does and print the peak memory; runs in a process of its own."""
    model = onnx_ood.load(path)
    relus = [tensor for tensor in model.tensors if tensor.op == "Relu"]
    chosen = relus if probes == len(relus) else relus[len(relus) // 2 :][:probes]
    assert len(chosen) == probes
    images = np.random.default_rng(0).standard_normal((INPUTS, 3, 224, 224)).astype(np.float32)
    measure = overhead.audit(model, chosen, provider, images)
    for _ in range(runs):
        drops, _ = measure()
        assert drops.shape == (INPUTS, COPIES, probes)
    print(plain_inference.peak_of_process())


def peak(path: Path, provider: str, runs: int, probes: int) -> Peak:
    """Run a case in a separate process."""
    if probes:
        command = [__file__, str(path), "--provider", provider, "--runs", str(runs), "--probes", str(probes)]
    else:
        command = [plain_inference.__file__, str(path), provider, str(INPUTS * (1 + COPIES)), str(runs)]
    before = free_memory() if provider == "cuda" else None
    least = before
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            time.sleep(SAMPLED)
            if least is not None:
                least = min(least, free_memory() or least)
        assert child.stdout is not None
        host = child.stdout.read()
    if child.returncode:
        raise SystemExit(f"failed with status {child.returncode}")
    device = (before - least) / 2**20 if before is not None and least is not None else None
    return Peak(float(host.splitlines()[-1]), device)


def compare(peaks: Mapping[str, Peak]) -> dict[str, dict[str, float | None]]:
    """Print peaks and return their ratios to those of plain inference."""
    base = peaks["plain inference"]
    times: dict[str, dict[str, float | None]] = {}
    for name, one in peaks.items():
        host, device = one.host_mib / base.host_mib, None
        text = f"{name:20} host {one.host_mib:8.1f} MiB, {host:.2f} times plain"
        if one.device_mib is not None and base.device_mib:
            device = one.device_mib / base.device_mib
            text += f"; device {one.device_mib:8.1f} MiB, {device:.2f} times plain (wanted: {TARGET})"
        print(text, flush=True)
        times[name] = {"host": host, "device": device}
    return times


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--probes", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.probes is not None:
        audit(options.model, options.provider, options.runs, options.probes)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = resnet50.save(Path(folder))
        peaks = {name: peak(path, options.provider, options.runs, probes) for name, probes in CASES.items()}
    print(f"ResNet-50, {INPUTS} inputs x {1 + COPIES} forwards, {options.provider}")
    times = compare(peaks)
    ratios.write(
        options.json,
        options.provider,
        peaks={name: asdict(one) for name, one in peaks.items()},
        times_plain=times,
    )


if __name__ == "__main__":
    main()
