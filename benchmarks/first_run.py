"""Processor time of `onnx-ood score` as a newcomer runs it, without and with the cache.

    python benchmarks/first_run.py [--rounds 3] [--json FILE]

The bundled EfficientNet-Lite0 on the 24 bundled photos, default settings, each run a process of its own with an empty
folder for the cache (`first`), with that which the first run left (`next`), and with a misspelt folder (`typo`); and,
interleaved, plain inference of the photos by onnxruntime in a process of its own (`plain`). Printed are medians of
processor seconds, user and system time of the process and its threads, and of their ratios to `plain` within a round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import ratios

from onnx_ood import models
from onnx_ood.evidence.user_cache import VARIABLE

_PLAIN = """
import sys
from pathlib import Path
import numpy as np
import onnxruntime
from onnx_ood.inputs import read_card, read_image

model = Path(sys.argv[1])
preprocessing = read_card(model).preprocessing
photos = sorted(Path(sys.argv[2]).glob("*.jpg"))
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
for photo in photos:
    pixels = preprocessing.normalise(preprocessing.pixels(read_image(photo, preprocessing.channels)))
    session.run(None, {session.get_inputs()[0].name: pixels[None]})
"""


def processor_seconds(command: list[str], cache: Path, code: int = 0) -> float:
    """Run a command and return its user and system time."""
    env = {**os.environ, VARIABLE: str(cache)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # A user's Python keeps compiled modules.
    before = os.times()
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert done.returncode == code, done.stderr.decode()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model, photos = models.path("efficientnet_lite0"), models.photos()[0].parent
    program = [sys.executable, "-P", "-m", "onnx_ood", "score", str(model)]
    seconds: dict[str, list[float]] = {name: [] for name in ("plain", "first", "next", "typo")}
    for number in range(options.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            found = {
                "plain": processor_seconds(
                    [sys.executable, "-P", "-c", _PLAIN, str(model), str(photos)], cache
                ),
                "first": processor_seconds([*program, str(photos)], cache),
                "next": processor_seconds([*program, str(photos)], cache),
                "typo": processor_seconds([*program, f"{photos}-misspelt"], cache, code=64),
            }
        if number:  # The first round compiles and fills the file system's cache.
            for name, value in found.items():
                seconds[name].append(value)
    result = {
        name: {
            "cpu_seconds": float(np.median(values)),
            "ratio": float(np.median(np.array(values) / seconds["plain"])),
        }
        for name, values in seconds.items()
    }
    for name, row in result.items():
        print(f"{name:6} {row['cpu_seconds']:6.2f} s  {row['ratio']:5.2f} x plain")
    if options.json:
        ratios.write(options.json, "cpu", runs=result)


if __name__ == "__main__":
    main()
