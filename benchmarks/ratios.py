"""Relative timing of several methods, interleaved, on shared and noisy machines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from onnx_ood.results.provenance import environment


@dataclass(frozen=True)
class Timing:
    """One way of doing it.

    Attributes:
        seconds: Median over the rounds.
        ratio: Median of its time over that of the first way in the same round.
        quartiles: The first and third quartile of that ratio.
    """

    seconds: float
    ratio: float
    quartiles: tuple[float, float]


def compare(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Time each method once per round, in turn, after one warm-up round.

    Args:
        ways: What to time, by name; the first is what the others are compared with.
        rounds: Number of rounds.

    Returns:
        A timing for each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if i:
                seconds[name].append(time.perf_counter() - start)
    base = np.array(next(iter(seconds.values())))
    timings = {}
    for name, values in seconds.items():
        first, median, third = np.percentile(np.array(values) / base, [25, 50, 75])
        timings[name] = Timing(float(np.median(values)), float(median), (float(first), float(third)))
    return timings


def show(title: str, timings: Mapping[str, Timing], console: Console | None = None) -> None:
    """Print timings as a table."""
    table = Table(title=title, title_justify="left")
    table.add_column("way", overflow="fold")
    for name in ("seconds", "ratio", "quartiles"):
        table.add_column(name, justify="right")
    for name, timing in timings.items():
        low, high = timing.quartiles
        table.add_row(name, f"{timing.seconds:.3f}", f"{timing.ratio:.3f}", f"{low:.3f}-{high:.3f}")
    (console or Console()).print(table)


def machine(provider: str) -> dict[str, object]:
    """Describe the machine."""
    gpu = None
    if provider == "cuda":
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpu = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    return {"gpu": gpu, "cpu": _cpu(), "cores": len(os.sched_getaffinity(0)), **environment().model_dump()}


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def write(path: Path | None, provider: str, **results: object) -> None:
    """Write results to a JSON file, if one is named, with the machine they were made on."""
    if path is not None:
        plain = {name: _plain(value) for name, value in results.items()}
        path.write_text(json.dumps({"machine": machine(provider), **plain}, indent=2) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return asdict(value) if isinstance(value, Timing) else value
