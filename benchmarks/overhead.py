"""Overhead of an audit over plain inference: ResNet-50 at 224x224, 4 inputs x 8 forwards.

    python benchmarks/overhead.py [--provider cpu|cuda] [--rounds 9] [--json FILE]

One clean run and 7 nudged copies of 4 inputs, with cosine drop and flips at all 49 ReLUs and at the default probes,
against one plain run of onnxruntime, as it comes, of the same 32 images. Runs are interleaved; printed are medians of
the ratios within a round. The least that all ReLUs can cost is shown too: their values handed out and not looked at.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import ratios
import resnet50

import onnx_ood
from onnx_ood.graph import Tensor, suggest_probes
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober

INPUTS, COPIES = 4, 7
SCALE = 0.02
PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    # Rounding as an audit has it; the plain run is what it would be otherwise.
    "cuda": [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"],
}


def plain_run(path: Path, provider: str, images: np.ndarray, also: list[str]) -> Callable[[], object]:
    """Open a default onnxruntime session of the model's own output and further ones."""
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in also)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=PROVIDERS[provider])
    return lambda: session.run(None, {"image": images})


def nudges(images: np.ndarray) -> np.ndarray:
    """Draw the nudges of all copies, [COPIES, 3, 224, 224]."""
    return SCALE * draw("gaussian", images.shape[1:], COPIES, seed=0)


def audit(
    model: onnx_ood.Model, probes: list[Tensor], provider: str, images: np.ndarray
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Cosine drop and flips of every input, copy and probe, as `score` measures them."""
    prober = Prober(model, probes, provider=provider)
    shifts = nudges(images)

    def run() -> tuple[np.ndarray, np.ndarray]:
        measured = prober.measure(images, shifts)
        return measured.cosine_drop(), measured.flip_rate()

    return run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="cpu")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    images = np.random.default_rng(0).standard_normal((INPUTS, 3, 224, 224)).astype(np.float32)
    batch = np.tile(images, (1 + COPIES, 1, 1, 1))
    with tempfile.TemporaryDirectory() as folder:
        path = resnet50.save(Path(folder))
        model = onnx_ood.load(path)
        relus = [tensor for tensor in model.tensors if tensor.op == "Relu"]
        few = [suggestion.tensor for suggestion in suggest_probes(model)]
        assert len(relus) == resnet50.RELUS
        names = [tensor.name for tensor in relus]
        ways = {
            "plain": plain_run(path, options.provider, batch, []),
            f"all {len(relus)} ReLUs": audit(model, relus, options.provider, images),
            f"the {len(few)} default probes": audit(model, few, options.provider, images),
            f"all {len(relus)} ReLUs handed out, nothing computed": plain_run(
                path, options.provider, batch, names
            ),
        }
        timings = ratios.compare(ways, options.rounds)
    ratios.show(f"ResNet-50, {INPUTS} inputs x {1 + COPIES} forwards, {options.provider}", timings)
    ratios.write(options.json, options.provider, overhead=timings)


if __name__ == "__main__":
    main()
