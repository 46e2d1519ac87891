"""Time and memory of instrumenting a model with 2.5 GB of external weights.

    python benchmarks/instrument_large.py

Makes a model of 200 nodes whose weights lie in a sparse file, rewrites it in a process of its own so that all tensors
are outputs, saves it in the same folder, and prints the median time of five runs and the largest peak memory.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, helper

RUNS = 5
WEIGHT_BYTES = 2_500_000_000
NODES = 200

SCRIPT = """
import json, pathlib, sys, time
import onnx_ood
start = time.perf_counter()
result = onnx_ood.instrument(sys.argv[1], probes="all")
result.save(sys.argv[2])
seconds = time.perf_counter() - start
status = pathlib.Path("/proc/self/status").read_text().split()
print(json.dumps({"seconds": seconds, "mib": int(status[status.index("VmHWM:") + 1]) / 1024}))
"""


def make_model(folder: Path) -> Path:
    nodes = [helper.make_node("Add", [f"t{i}", "w"], [f"t{i + 1}"], f"n{i}") for i in range(NODES)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("t0", f"t{NODES}")]
    graph = helper.make_graph(nodes, "large", ends[:1], ends[1:])
    weight = graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[WEIGHT_BYTES // 16, 4])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="large.bin")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(WEIGHT_BYTES)
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        model = make_model(Path(name))
        command = [sys.executable, "-c", SCRIPT, str(model), str(model.with_name("out.onnx"))]
        figures = [json.loads(subprocess.check_output(command)) for _ in range(RUNS)]
    seconds = statistics.median(figure["seconds"] for figure in figures)
    print(
        f"{seconds * 1000:.0f} ms (median of {RUNS}), peak {max(figure['mib'] for figure in figures):.0f} MiB"
    )


if __name__ == "__main__":
    main()
