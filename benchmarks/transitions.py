"""Counting transitions by refining against counting them on an even sweep, and against exact boundaries.

    python benchmarks/transitions.py [--model FILE --inputs FILE.npy] [--exact-share 0.1] [--json FILE]

A segment between two inputs, an ellipse through three and the ring of translations of one: transitions at all units of
a ResNet as `count_transitions` finds them, with its defaults, and on 16,385 points at equal steps. On a part of the
segment the exact boundaries are counted as well. By default the bundled ResNet and garments; of another model
--inputs holds at least three inputs, [N, *input] as the model takes them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import ratios
from rich.console import Console
from rich.table import Table

import onnx_ood
from onnx_ood import models
from onnx_ood.graph import find_units
from onnx_ood.perturb import Trajectory, ellipse_through, segment, translations
from onnx_ood.piecewise import boundaries, read_program
from onnx_ood.runtime import PatternReader, count_transitions, distances

EVEN = 16_384
TOGETHER = 512


def sweep(reader: PatternReader, trajectory: Trajectory) -> int:
    """Transitions between points at equal steps."""
    at = np.linspace(0, 1, EVEN + 1)
    total = 0
    for first in range(0, EVEN, TOGETHER):
        codes = reader.read(trajectory.at(at[first : first + TOGETHER + 1]))
        total += int(distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None))).sum())
    return total


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--inputs", type=Path)
    parser.add_argument("--exact-share", type=float, default=0.1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if (options.model is None) != (options.inputs is None):
        parser.error("--model and --inputs go together")
    model = onnx_ood.load(options.model or models.path("fashion_resnet"))
    if options.inputs:
        inputs = np.load(options.inputs).astype(np.float64)
    else:
        inputs = models.fashion_samples()[0].reshape(-1, 1, 28, 28) / 255.0
    units = find_units(model)
    reader = PatternReader(model, units.sites, provider="cpu")
    trajectories = {
        "segment": segment(inputs[0], inputs[1]),
        "ellipse": ellipse_through(*inputs[:3]),
        "translations": translations(inputs[0]),
    }
    reader.read(inputs[:1])  # Compiles, and tries the model.
    table = Table(title=f"transitions at {sum(reader.units())} units of {model.path.name}")
    for name in (
        "trajectory",
        "refined",
        "points",
        "s",
        "estimated rest",
        "16,385 points",
        "s",
        "difference",
    ):
        table.add_column(name, justify="right")
    rows = []
    for name, trajectory in trajectories.items():
        start = time.perf_counter()
        (found,) = count_transitions(reader, [trajectory])
        refined = time.perf_counter()
        even = sweep(reader, trajectory)
        row = {
            "trajectory": name,
            "refined": found.total,
            "points": found.points,
            "refined seconds": refined - start,
            "remainder": found.remainder,
            "converged": found.converged,
            "even": even,
            "even seconds": time.perf_counter() - refined,
            "difference": found.total / even - 1,
        }
        rows.append(row)
        table.add_row(
            name,
            str(found.total),
            str(found.points),
            f"{row['refined seconds']:.1f}",
            f"{found.remainder:.0f}",
            str(even),
            f"{row['even seconds']:.1f}",
            f"{row['difference']:+.3%}",
        )
    console = Console()
    console.print(table)
    start, end = inputs[0], inputs[0] + options.exact_share * (inputs[1] - inputs[0])
    (found,) = count_transitions(reader, [segment(start, end)])
    before = time.perf_counter()
    exact = len(boundaries(read_program(model, reader.site.name, (1, *start.shape)), start, end).at)
    seconds = time.perf_counter() - before
    print(
        f"{options.exact_share:.0%} of the segment: {found.total} with {found.points} points, exactly {exact} "
        f"in {seconds:.0f} s: {found.total / exact - 1:+.3%}"
    )
    part = {"refined": found.total, "points": found.points, "exact": exact, "exact seconds": seconds}
    ratios.write(options.json, "cpu", transitions=rows, exact=part)


if __name__ == "__main__":
    main()
