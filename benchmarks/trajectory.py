"""Overhead of reading activation patterns over plain inference: 100 points on the bundled EfficientNet-Lite0.

    python benchmarks/trajectory.py [--rounds 5] [--json FILE]

The codes of all units at 100 points of a segment between two photos, and their distances, against plain runs of
onnxruntime, with its defaults, of the same points with as many in a run. Runs are interleaved; printed are medians of
the ratios within a round.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import ratios

import onnx_ood
from onnx_ood import models
from onnx_ood.graph import find_units
from onnx_ood.inputs import read_card, read_image
from onnx_ood.perturb import segment
from onnx_ood.runtime import PatternReader, distances

POINTS = 100


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = onnx_ood.load(models.path("efficientnet_lite0"))
    card = read_card(model.path)
    assert card is not None
    assert card.preprocessing is not None
    preprocessing = card.preprocessing
    first, second = (
        preprocessing.normalise(preprocessing.pixels(read_image(path, preprocessing.channels)))
        for path in sorted(models.photos())[:2]
    )
    points = segment(first, second).at(np.linspace(0, 1, POINTS)).astype(np.float32)
    reader = PatternReader(model, find_units(model).sites, provider="cpu")
    reader.read(points[:1])
    rows = reader.batch_size
    assert rows is not None
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])

    def plain() -> None:
        for start in range(0, POINTS, rows):
            session.run(None, {"image": points[start : start + rows]})

    def read() -> None:
        codes = reader.read(points)
        distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None)))

    units = sum(reader.units())
    timings = ratios.compare({"plain": plain, f"codes of {units} units, and distances": read}, options.rounds)
    ratios.show(f"EfficientNet-Lite0, {POINTS} points, {rows} in a run, cpu", timings)
    ratios.write(options.json, "cpu", trajectory=timings)


if __name__ == "__main__":
    main()
