"""Processor time of `onnx-ood score` as a newcomer runs it, without and with the cache.

    python benchmarks/first_run.py [--rounds 3] [--json FILE]

The bundled EfficientNet-Lite0 on the 24 bundled photos, default settings, each run a process of its own with an empty
folder for the cache (`first`), with that which the first run left (`next`), and with a misspelt folder (`typo`); and,
interleaved, plain inference of the photos by onnxruntime in a process of its own (`plain`). Printed are medians of
processor seconds, user and system time of the process and its threads, of their ratios to `plain` within a round, and
of the time that passed.
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


def measure(command: list[str], cache: Path, code: int = 0) -> tuple[float, float]:
    """Run a command; return its user and system time, and the time that passed."""
    env = {**os.environ, VARIABLE: str(cache)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # A user's Python keeps compiled modules.
    before = os.times()
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert done.returncode == code, done.stderr.decode()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, after.elapsed - before.elapsed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model, photos = models.path("efficientnet_lite0"), models.photos()[0].parent
    program = [sys.executable, "-P", "-m", "onnx_ood", "score", str(model)]
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ("plain", "first", "next", "typo")}
    for number in range(options.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            found = {
                "plain": measure([sys.executable, "-P", "-c", _PLAIN, str(model), str(photos)], cache),
                "first": measure([*program, str(photos)], cache),
                "next": measure([*program, str(photos)], cache),
                "typo": measure([*program, f"{photos}-misspelt"], cache, code=64),
            }
        if number:  # The first round compiles and fills the file system's cache.
            for name, value in found.items():
                seconds[name].append(value)
    result = {
        name: {
            "cpu_seconds": float(np.median(values, axis=0)[0]),
            "ratio": float(np.median(np.array(values)[:, 0] / np.array(seconds["plain"])[:, 0])),
            "wall_seconds": float(np.median(values, axis=0)[1]),
        }
        for name, values in seconds.items()
    }
    for name, row in result.items():
        used, passed = f"{row['cpu_seconds']:6.2f} s", f"{row['wall_seconds']:5.1f} s by the clock"
        print(f"{name:6} {used}  {row['ratio']:5.2f} x plain  {passed}")
    if options.json:
        ratios.write(options.json, "cpu", runs=result)


if __name__ == "__main__":
    main()
