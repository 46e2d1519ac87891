"""Measuring every ReLU of ResNet-50 in other ways: torch hooks, marked outputs with numpy, Polygraphy.

    python benchmarks/peers.py [--provider cpu|cuda] [--rounds 7] [--json FILE]

4 inputs x 8 forwards, one of them clean; cosine drop and flips of each of 28 pairs at all 49 ReLUs. Ours is what
`score` does. The others run the 32 images as one batch:

- torch forward hooks: the same network with the same weights, eager, under `inference_mode`, on all cores; each
  hook reduces its activation at once, in float32. BatchNormalization is a layer of its own, as in a network that comes
  out of training, or folded into the convolutions, as in the file. Runs where torch is installed
  (`pip install torch==2.13.0`).
- outputs marked, numpy: onnxruntime hands out the 49 ReLUs, and numpy reduces them by the plain formulas.
- Polygraphy: every tensor marked (`mark all`), run by its runner, the 49 ReLUs reduced by numpy in the same way. Runs
  where Polygraphy is installed (`pip install polygraphy==0.53.6`).

Before anything is timed, all ways have to give the same logits, drops and flips. Runs are interleaved; printed are
medians of the ratios to a plain run of onnxruntime within a round, and how much faster than each way ours is.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import overhead
import ratios
import resnet50

import onnx_ood

# What a way gives: cosine drops and flip counts, [inputs, copies, ReLUs] each.
Found = tuple[np.ndarray, np.ndarray]
Way = Callable[[], Found]

INPUTS, COPIES = overhead.INPUTS, overhead.COPIES
HOOKS, FOLDED_HOOKS = "torch forward hooks", "torch forward hooks, BatchNormalization folded"
NUMPY, POLYGRAPHY = "outputs marked, numpy", "Polygraphy, all marked, numpy"
TARGET = 2.3  # times faster than hooks, on the CPU


def ours(model: onnx_ood.Model, provider: str, images: np.ndarray) -> Way:
    relus = [tensor for tensor in model.tensors if tensor.op == "Relu"]
    measure = overhead.audit(model, relus, provider, images)
    sizes = np.array([np.prod(tensor.shape[1:]) for tensor in relus])

    def run() -> Found:
        drops, rates = measure()
        return drops, rates * sizes

    return run


def in_numpy(activations: list[np.ndarray]) -> Found:
    """Apply the plain formulas to activations of INPUTS clean images and then of their copies."""
    drops = np.empty((INPUTS, COPIES, len(activations)))
    flips = np.empty(drops.shape, np.int64)
    for probe, activation in enumerate(activations):
        rows = activation.reshape(1 + COPIES, INPUTS, -1)
        for i, k in itertools.product(range(INPUTS), range(COPIES)):
            a, b = rows[0, i], rows[1 + k, i]
            drops[i, k, probe] = 1 - a.dot(b) / (np.linalg.norm(a) * np.linalg.norm(b))
            flips[i, k, probe] = np.count_nonzero((a > 0) != (b > 0))
    return drops, flips


def marked(model: onnx.ModelProto, provider: str, batch: np.ndarray, names: list[str]) -> Way:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=overhead.PROVIDERS[provider])
    return lambda: in_numpy(session.run(names, {"image": batch}))


def polygraphy(
    model: onnx.ModelProto, provider: str, batch: np.ndarray, names: list[str], stack: ExitStack
) -> Way:
    backend = importlib.import_module("polygraphy.backend.onnx")
    runtime = importlib.import_module("polygraphy.backend.onnxrt")
    mark_all = importlib.import_module("polygraphy.constants").MARK_ALL
    everything = backend.modify_outputs(model, outputs=mark_all, copy=True).SerializeToString()
    session = onnxruntime.InferenceSession(everything, providers=overhead.PROVIDERS[provider])
    runner = stack.enter_context(runtime.OnnxrtRunner(session))

    def run() -> Found:
        found = runner.infer({"image": batch})
        return in_numpy([found[name] for name in names])

    return run


def in_torch(
    model: onnx.ModelProto, provider: str, batch: np.ndarray, *, folded: bool, dtype: str = "float32"
) -> tuple[Way, Callable[[], np.ndarray]]:
    """Build the network in torch with hooks that reduce in a type, and without hooks (which gives the logits)."""
    torch = importlib.import_module("torch")
    load = importlib.import_module("torch_resnet50").load
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    # The rounding of onnxruntime.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device(provider)
    images = torch.from_numpy(batch)
    plain, hooked = (load(model, folded=folded).to(device) for _ in range(2))
    reduced: list[Any] = []

    def reduce(_module: object, _inputs: object, activation: Any) -> None:
        activation = activation.to(getattr(torch, dtype))  # Itself, where that is its type.
        # Of the ways to write these that were tried on the CPU the fastest: einsum in place of vecdot or (a * b).sum,
        # signs of all images at once, flips summed up in 32 bits.
        a, b = activation[:INPUTS].flatten(1), activation[INPUTS:].view(COPIES, INPUTS, -1)
        dots = torch.einsum("iu,kiu->ki", a, b)
        norms = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=2)
        on = (activation > 0).flatten(1)
        flips = (on[:INPUTS] != on[INPUTS:].view(COPIES, INPUTS, -1)).sum(2, dtype=torch.int32)
        reduced.append((1 - dots / norms, flips))

    for module in hooked.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(reduce)

    @torch.inference_mode()
    def run_hooked() -> Found:
        reduced.clear()
        hooked(images.to(device))
        drops, flips = (torch.stack(found, dim=-1).cpu().numpy() for found in zip(*reduced, strict=True))
        return drops.swapaxes(0, 1), flips.swapaxes(0, 1)

    @torch.inference_mode()
    def run_plain() -> np.ndarray:
        return plain(images.to(device)).cpu().numpy()

    return run_hooked, run_plain


def check(name: str, found: Found, expected: Found) -> None:
    """Compare the results of a method with ours."""
    drops, flips = found
    assert drops.shape == flips.shape == (INPUTS, COPIES, resnet50.RELUS)
    # 1 - cos can't be better than the rounding of cos, in float32 where the sums are.
    np.testing.assert_allclose(drops, expected[0], rtol=1e-3, atol=2e-6, err_msg=name)
    # A unit that is all but zero may be on in one runtime and off in another.
    np.testing.assert_allclose(flips, expected[1], rtol=1e-3, atol=5, err_msg=name)


def ways(folder: Path, provider: str, stack: ExitStack) -> tuple[dict[str, Callable[[], Any]], str]:
    """All ways that can run here, the plain run first, and the name of ours; checked against each other."""
    images = np.random.default_rng(0).standard_normal((INPUTS, 3, 224, 224)).astype(np.float32)
    nudged = images + overhead.nudges(images)[:, np.newaxis]
    batch = np.concatenate([images, *nudged]).astype(np.float32)
    path = resnet50.save(folder)
    proto, model = onnx.load(path), onnx_ood.load(path)
    names = [node.output[0] for node in proto.graph.node if node.op_type == "Relu"]
    plain = overhead.plain_run(path, provider, batch, [])
    name = f"ours, all {len(names)} ReLUs"
    own = ours(model, provider, images)
    expected = own()
    found: dict[str, Callable[[], Any]] = {"plain": plain, name: own}
    found[NUMPY] = marked(proto, provider, batch, names)
    check(NUMPY, found[NUMPY](), expected)
    if importlib.util.find_spec("polygraphy"):
        found[POLYGRAPHY] = polygraphy(proto, provider, batch, names, stack)
        check(POLYGRAPHY, found[POLYGRAPHY](), expected)
    else:
        print("Polygraphy is left out: pip install polygraphy==0.53.6")
    if importlib.util.find_spec("torch"):
        (logits,) = plain()
        for hooks, alone, folded in (
            (HOOKS, "torch alone", False),
            (FOLDED_HOOKS, "torch alone, BatchNormalization folded", True),
        ):
            found[hooks], found[alone] = in_torch(proto, provider, batch, folded=folded)
            np.testing.assert_allclose(found[alone](), logits, rtol=1e-3, atol=1e-3)
            # Its sums in float32 are too rough to tell whether it measures the same.
            check(hooks, in_torch(proto, provider, batch, folded=folded, dtype="float64")[0](), expected)
        error = np.max(np.abs(found[HOOKS]()[0] / expected[0] - 1))
        print(f"drops of {HOOKS}, summed up in float32, are up to {error:.0%} off")
    else:
        print("torch is left out: pip install torch==2.13.0")
    return found, name


def faster(timings: Mapping[str, ratios.Timing], name: str) -> dict[str, float]:
    """Compute the time of each method relative to ours."""
    return {
        other: timings[other].ratio / timings[name].ratio
        for other in (HOOKS, FOLDED_HOOKS, NUMPY, POLYGRAPHY)
        if other in timings
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--provider", choices=sorted(overhead.PROVIDERS), default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        compared, name = ways(Path(folder), options.provider, stack)
        timings = ratios.compare(compared, options.rounds)
    ratios.show(f"ResNet-50, {INPUTS} inputs x {1 + COPIES} forwards, {options.provider}", timings)
    times = faster(timings, name)
    for other, factor in times.items():
        wanted = f" (wanted on the CPU: {TARGET})" if other == HOOKS else ""
        print(f"ours is {factor:.2f} times as fast as {other}{wanted}")
    ratios.write(options.json, options.provider, peers=timings, times_as_fast=times)


if __name__ == "__main__":
    main()
