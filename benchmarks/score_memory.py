"""Memory of `onnx-ood score` against the number of inputs.

    python benchmarks/score_memory.py [--counts 300 1000 3000] [--json FILE]

Makes 224x224 JPEGs from the bundled photos, scores them in a process of its own with one probe and 4 copies, and
prints the peak resident memory of each run. It must not grow with the number of inputs: what is allowed an input
is its line in the result and what an allocator leaves behind, a small part of the picture itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from onnx_ood import models

# One input as the model takes it, and the growth an input that still counts as none.
TENSOR_KIB = 3 * 224 * 224 * 4 / 1024
ALLOWED_KIB = 16.0


def make_pictures(folder: Path, count: int) -> None:
    """Write `count` different JPEGs: random crops of the bundled photos."""
    photos = [Image.open(path).convert("RGB") for path in models.photos()]
    generator = np.random.default_rng(0)
    for i in range(count):
        photo = photos[i % len(photos)]
        side = int(generator.integers(min(photo.size) // 2, min(photo.size)))
        left = int(generator.integers(0, photo.width - side + 1))
        top = int(generator.integers(0, photo.height - side + 1))
        crop = photo.crop((left, top, left + side, top + side)).resize((224, 224))
        crop.save(folder / f"{i:05}.jpg", quality=90)


def peak_memory(folder: Path, count: int) -> float:
    """Peak resident memory of one scoring process, in MiB."""
    listed = "\n".join(str(path) for path in sorted(folder.iterdir())[:count])
    command = [sys.executable, "-m", "onnx_ood", "score", str(models.path("efficientnet_lite0")), "-"]
    options = [
        "--detectors",
        "deviation",
        "--probe",
        "op:Conv[-3]",
        "--copies",
        "4",
        "--provider",
        "cpu",
        "--quiet",
        "--json",
        str(folder.parent / "o.json"),
    ]
    process = subprocess.Popen([*command, *options], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(listed)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"scoring failed with status {status}")
    scored = len(json.loads((folder.parent / "o.json").read_text())["inputs"])
    if scored != count:
        raise SystemExit(f"{scored} of {count} were scored")
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[300, 1000, 3000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    peaks = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        make_pictures(folder, max(arguments.counts))
        for count in arguments.counts:
            peaks[count] = peak_memory(folder, count)
            print(f"{count:6} inputs: peak {peaks[count]:7.1f} MiB", flush=True)
    fewest, most = min(peaks), max(peaks)
    growth = (peaks[most] - peaks[fewest]) * 1024 / (most - fewest)
    print(
        f"growth: {growth:.1f} KiB an input (a decoded one takes {TENSOR_KIB:.0f}; allowed: {ALLOWED_KIB:.0f})"
    )
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"peak_mib": peaks, "growth_kib_per_input": growth}, indent=2) + "\n"
        )
    sys.exit(growth > ALLOWED_KIB)


if __name__ == "__main__":
    main()
