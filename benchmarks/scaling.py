"""Time and memory of `onnx-ood score --jsonl` against the number of inputs, of copies and of probes.

    python benchmarks/scaling.py [--rounds 5] [--provider cpu|cuda] [--json FILE]
    python benchmarks/scaling.py --only inputs --counts 1000 1000000 --copies 1

A small network of twelve layers is given rows of an .npy file. Each run is a process of its own, which reports its peak
resident memory (VmHWM) and the time of the command without the start of Python. A straight line is fitted to the
times; R² says how straight they lie.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import ratios
from onnx import helper, numpy_helper
from onnx_ood.cli.main import run as onnx_ood

FEATURES, LAYERS = 64, 12
COPIES = (1, 2, 4, 8, 16, 32)
PROBES = (1, 2, 4, 6, 8, 10, 12)
# The varied part dominates the fixed costs, and a run takes some seconds.
INPUTS_FOR_COPIES, INPUTS_FOR_PROBES = 20_000, 40_000


@dataclass(frozen=True)
class Cost:
    """Time and memory of one run."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Line:
    """A straight line through times: seconds = start + slope · x."""

    start: float
    slope: float
    r2: float


def save_network(path: Path) -> None:
    """Twelve layers of 64 units with ReLUs named r0, ..., r11."""
    generator = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for i in range(LAYERS):
        values = generator.normal(0, np.sqrt(2 / FEATURES), (FEATURES, FEATURES)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{i}"))
        nodes += [
            helper.make_node("MatMul", [last, f"w{i}"], [f"m{i}"]),
            helper.make_node("Relu", [f"m{i}"], [f"r{i}"]),
        ]
        last = f"r{i}"
    value = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", FEATURES]) for name in ("x", last)
    ]
    graph = helper.make_graph(nodes, "layers", value[:1], value[1:], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)


def cost(folder: Path, count: int, copies: int, probes: int, provider: str = "cpu") -> Cost:
    """Scores `count` rows in a process of its own."""
    rows = folder / f"rows-{count}.npy"
    if not rows.exists():
        np.save(rows, np.random.default_rng(1).standard_normal((count, FEATURES), dtype=np.float32))
    stream, result = folder / "stream.jsonl", folder / "result.json"
    stream.unlink(missing_ok=True)
    command = ["score", str(folder / "layers.onnx"), str(rows), "--provider", provider, "--quiet"]
    command += ["--detectors", "deviation"]
    command += ["--copies", str(copies), "--jsonl", str(stream), "--json", str(result)]
    command += [word for i in range(probes) for word in ("--probe", f"r{i}")]
    child = subprocess.run(
        [sys.executable, __file__, "--child", *command], stdout=subprocess.PIPE, text=True, check=True
    )
    scored = json.loads(result.read_text())["scored"]
    if scored != count:
        raise SystemExit(f"{scored} of {count} were scored")
    return Cost(**json.loads(child.stdout))


def run_child(command: list[str]) -> None:
    """Run the command in a process of its own and print its time and memory."""
    start = time.perf_counter()
    code = onnx_ood(command)
    seconds = time.perf_counter() - start
    (peak,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    print(json.dumps(asdict(Cost(seconds, int(peak.split()[1]) / 1024))))
    sys.exit(code)


def fit(times: Mapping[int, float]) -> Line:
    """Fit a line by least squares."""
    x, y = np.array([*times], dtype=np.float64), np.array([*times.values()])
    slope, start = np.polyfit(x, y, 1)
    residual = y - (start + slope * x)
    return Line(float(start), float(slope), float(1 - residual.var() / y.var()))


def measure(
    title: str, unit: str, runs: Mapping[int, tuple[Path, int, int, int]], rounds: int, provider: str
) -> object:
    """Run everything `rounds` times in turn, print the fastest of each and fit a line."""
    found: dict[int, list[Cost]] = {x: [] for x in runs}
    for _ in range(rounds):
        for x, arguments in runs.items():
            found[x].append(cost(*arguments, provider))
    # What else goes on on a machine only ever adds time.
    best = {x: Cost(min(c.seconds for c in all_), max(c.peak_mib for c in all_)) for x, all_ in found.items()}
    line = fit({x: one.seconds for x, one in best.items()})
    print(title)
    for x, one in best.items():
        print(f"  {x:9,} {unit}: {one.seconds:8.2f} s, peak {one.peak_mib:6.1f} MiB", flush=True)
    print(f"  {line.start:.2f} s + {line.slope * 1e3:.3f} ms for each, R² = {line.r2:.4f}", flush=True)
    return {"runs": {x: asdict(one) for x, one in best.items()}, "line": asdict(line)}


def main(words: Sequence[str]) -> None:
    """Measures and prints."""
    if words[:1] == ["--child"]:
        run_child([*words[1:]])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--copies", type=int, default=4, help="where inputs and probes are varied")
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", choices=["inputs", "copies", "probes"])
    parser.add_argument("--rounds", type=int, default=5, help="where copies and probes are varied")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_network(folder / "layers.onnx")
        # Title and runs of each.
        varied = {
            "inputs": (
                f"inputs ({options.copies} copies, {LAYERS} probes)",
                {count: (folder, count, options.copies, LAYERS) for count in options.counts},
            ),
            "copies": (
                f"copies ({INPUTS_FOR_COPIES:,} inputs, {LAYERS} probes)",
                {count: (folder, INPUTS_FOR_COPIES, count, LAYERS) for count in COPIES},
            ),
            "probes": (
                f"probes ({INPUTS_FOR_PROBES:,} inputs, {options.copies} copies)",
                {count: (folder, INPUTS_FOR_PROBES, options.copies, count) for count in PROBES},
            ),
        }
        found = {
            what: measure(title, what, runs, 1 if what == "inputs" else options.rounds, options.provider)
            for what, (title, runs) in varied.items()
            if options.only in {None, what}
        }
    ratios.write(options.json, options.provider, **found)


if __name__ == "__main__":
    main(sys.argv[1:])
