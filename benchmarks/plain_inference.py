"""Plain inference in a process of its own, for `memory.py`: nothing but onnxruntime and numpy is imported.

    python benchmarks/plain_inference.py MODEL PROVIDER IMAGES RUNS

Prints its peak of resident memory in MiB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime

# As an audit has them, so that what is compared is watching alone.
OPTIONS = {
    "use_tf32": "0",
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "HEURISTIC",
}


def peak_of_process() -> float:
    """Measure the peak resident memory of this process, in MiB."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def main(model: str, provider: str, count: str, runs: str) -> None:
    """Run the model."""
    providers: list[object] = ["CPUExecutionProvider"]
    if provider == "cuda":
        onnxruntime.preload_dlls()
        providers = [("CUDAExecutionProvider", OPTIONS)]
    session = onnxruntime.InferenceSession(model, providers=providers)
    images = np.random.default_rng(0).standard_normal((int(count), 3, 224, 224)).astype(np.float32)
    for _ in range(int(runs)):
        session.run(None, {"image": images})
    if session.get_providers()[0] != (provider.upper() + "ExecutionProvider"):
        raise SystemExit(f"ran on {session.get_providers()}")
    print(peak_of_process())


if __name__ == "__main__":
    main(*sys.argv[1:])
