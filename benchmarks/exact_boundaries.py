"""Exact boundaries of linear regions against brute force: codes at 100,001 points of a segment, evaluated in float64.

    python benchmarks/exact_boundaries.py [--points 100001] [--model FILE POINTS.npy]... [--json FILE]

The bundled Fashion-MNIST networks, from one garment to another, and whatever else is named with two points of its
input, [2, *input]. Codes are those of onnx's reference evaluator on the same weights, widened to float64. Between two
neighbouring points a unit's code must differ exactly where the exact mode has an odd number of changes; a maximum's
choice where it has one change, and only where it has some.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnx
import ratios
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_ood import models
from onnx_ood.graph import Model, load
from onnx_ood.piecewise import Boundaries, boundaries, read_program

# Points that the reference evaluates at once.
TOGETHER = 200


def reference(model: Model) -> tuple[ReferenceEvaluator, list[str], list[str]]:
    """Convert the model to float64, with the outputs that patterns are read from; return their names and units."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    constants = [node.attribute[0].t for node in proto.graph.node if node.op_type == "Constant"]
    for tensor in [*proto.graph.initializer, *constants]:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
            )
    read, units = [], []
    for node in proto.graph.node:
        if node.op_type == "Relu":
            read.append(node.input[0])
            units.append(node.output[0])
        elif node.op_type == "MaxPool":
            if len(node.output) == 1:
                node.output.append(f"{node.output[0]}/places")
            read.append(node.output[1])
            units.append(node.output[0])
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in read)
    return ReferenceEvaluator(proto), read, units


def codes(evaluator: ReferenceEvaluator, read: list[str], name: str, points: np.ndarray) -> list[np.ndarray]:
    """Codes of all units, [M, U] for each site: whether they are on, or which place is the largest."""
    return [
        (values > 0 if values.dtype == np.float64 else values).reshape(len(points), -1)
        for values in evaluator.run(read, {name: points})
    ]


def compare(model: Model, ends: np.ndarray, points: int) -> dict[str, object]:
    """Exact boundaries of one segment against brute force.

    Args:
        model: The model.
        ends: The segment's ends, [2, *input].
        points: Number of points.

    Returns:
        Counts, and how many intervals and units disagree.
    """
    name, shape = model.inputs[0].name, (1, *ends.shape[1:])
    ends = ends.astype(np.float64)
    began = time.perf_counter()
    program = read_program(model, name, shape)
    exact = boundaries(program, ends[0], ends[1])
    seconds = time.perf_counter() - began
    evaluator, read, units = reference(model)
    order = [program.sites.index(unit) for unit in units]
    # At the ends themselves maxima may be undecided: pictures have areas of one colour.
    at = np.clip(np.linspace(0, 1, points), 1e-9, 1 - 1e-9)
    # Places of maxima count through the whole batch.
    pools = any(node.op_type == "MaxPool" for node in model.proto.graph.node)
    together = 1 if pools or isinstance(model.inputs[0].shape[0], int) else TOGETHER
    counted = wrong = 0
    before: list[np.ndarray] | None = None
    for start in range(0, points, together):
        share = at[start : start + together]
        now = codes(
            evaluator, read, name, ends[0] + share.reshape(-1, *[1] * ends[0].ndim) * (ends[1] - ends[0])
        )
        joined = now if before is None else [np.concatenate(pair) for pair in zip(before, now, strict=True)]
        first = start if before is None else start - 1
        for site, code in zip(order, joined, strict=True):
            differs = code[1:] != code[:-1]
            counted += int(differs.sum())
            changes = changed(exact, site, at[first : start + len(share)], differs.shape)
            if code.dtype == np.bool_:
                wrong += int((differs != changes % 2).sum())
            else:
                wrong += int((differs & (changes == 0) | ~differs & (changes == 1)).sum())
        before = [code[-1:] for code in now]
    return {
        "units": sum(code.shape[1] for code in now),
        "exact": len(exact.at),
        "regions": exact.regions,
        "points": points,
        "brute_force": counted,
        "disagreements": wrong,
        "seconds": seconds,
    }


def changed(exact: Boundaries, site: int, at: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Count the switches of each unit between neighbouring points, [intervals, U]."""
    first, last = np.searchsorted(exact.at, [at[0], at[-1]])
    mine = exact.site[first:last] == site
    changes = np.zeros(shape, int)
    interval = np.searchsorted(at, exact.at[first:last][mine], side="right") - 1
    np.add.at(changes, (interval, exact.unit[first:last][mine]), 1)
    return changes


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=100_001)
    parser.add_argument("--model", nargs=2, type=Path, action="append", default=[])
    parser.add_argument("--only", action="store_true", help="leave the bundled networks out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    images, _ = models.fashion_samples()
    garments = images[:2].reshape(2, 1, 28, 28) / 255
    bundled = [] if options.only else ["fashion_cnn", "fashion_resnet"]
    cases = [(models.path(name), garments) for name in bundled]
    cases += [(path, np.load(ends)) for path, ends in options.model]
    results = {}
    for path, ends in cases:
        results[path.stem] = compare(load(path), ends, options.points)
        print(path.stem, json.dumps(results[path.stem]), flush=True)
    ratios.write(options.json, "cpu", exact_boundaries=results)


if __name__ == "__main__":
    main()
