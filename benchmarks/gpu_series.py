"""Tests marked `gpu` and benchmarks for a machine with a GPU, in one run.

    python benchmarks/gpu_series.py [--provider cuda|cpu] [--only NAME ...] [--json FILE]
    python benchmarks/gpu_series.py --provider cpu --tiny

Each step has a time limit, together nine minutes; where one fails or takes too long, the next goes on. Written are the
machine with its GPU and driver, and for each step how it ended, how long it took, the end of what it printed and its
own JSON. `--tiny` runs everything as briefly as it can, to see that it works.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KEPT = 4000  # characters of what a step printed
NO_TESTS = 5  # what pytest ends with where it ran none


@dataclass(frozen=True)
class Step:
    """One step of the series.

    Attributes:
        words: What Python runs. `{provider}` and `{json}`, the file for a step's own JSON, are filled in.
        tiny: The same, as brief as it can be.
        limit: Seconds that it may take.
    """

    words: tuple[str, ...]
    tiny: tuple[str, ...]
    limit: int


def benchmark(name: str, usual: Sequence[str], tiny: Sequence[str], limit: int) -> Step:
    """Make a step that runs a benchmark, with options for both."""
    words = (str(HERE / f"{name}.py"), "--provider", "{provider}", "--json", "{json}")
    return Step((*words, *usual), (*words, *tiny), limit)


_TESTS = ("-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", str(HERE.parent / "tests"))
STEPS = {
    "tests": Step(_TESTS, _TESTS, 150),
    "overhead": benchmark("overhead", ("--rounds", "5"), ("--rounds", "1"), 60),
    "memory": benchmark("memory", ("--runs", "3"), ("--runs", "1"), 60),
    "peers": benchmark("peers", ("--rounds", "5"), ("--rounds", "1"), 90),
    "pipeline": benchmark(
        "pipeline", ("--pictures", "1000", "--rounds", "1"), ("--pictures", "4", "--rounds", "1"), 120
    ),
    "scaling": benchmark(
        "scaling",
        ("--only", "inputs", "--counts", "1000", "4000", "16000"),
        ("--only", "inputs", "--counts", "8", "16"),
        60,
    ),
}


def run(step: Step, provider: str, folder: Path, *, tiny: bool) -> dict[str, object]:
    """Run a step.

    Returns:
        How it ended: `status` (the process's, or "out of time"), `seconds`, `output` and `result`, its JSON or None.
    """
    file = folder / "result.json"
    file.unlink(missing_ok=True)
    words = [word.format(provider=provider, json=file) for word in (step.tiny if tiny else step.words)]
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=step.limit)
            status: int | str = process.returncode
        except subprocess.TimeoutExpired:
            # With the processes that it started: they would hold the GPU.
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            status = "out of time"
    return {
        "status": status,
        "seconds": round(time.perf_counter() - start, 1),
        "output": output.decode(errors="replace")[-KEPT:],
        "result": json.loads(file.read_text()) if file.exists() else None,
    }


def gpu() -> dict[str, str] | None:
    """Query name, driver and memory of the GPU; None without one."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    fields = found.splitlines()[0].split(", ")
    return dict(zip(("name", "driver", "memory"), fields, strict=True))


def show(name: str, found: Mapping[str, object]) -> None:
    """Print the outcome of a step."""
    print(f"== {name}: status {found['status']}, {found['seconds']} s\n{found['output']}", flush=True)


def main(words: Sequence[str] | None = None) -> None:
    """Run the series."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--provider", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--only", choices=list(STEPS), nargs="+", default=list(STEPS))
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    steps: dict[str, dict[str, object]] = {}
    found = {
        "gpu": gpu(),
        "platform": f"{platform.system()} {platform.machine()}",
        "provider": options.provider,
        "steps": steps,
    }
    print(json.dumps(found["gpu"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            steps[name] = run(STEPS[name], options.provider, Path(folder), tiny=options.tiny)
            show(name, steps[name])
            if options.json:
                # After each step, so that an interrupted run keeps its results.
                options.json.write_text(json.dumps(found, indent=2) + "\n")
    failed = [name for name, step in steps.items() if step["status"] not in {0, NO_TESTS}]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
