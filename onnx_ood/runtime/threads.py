"""Distribution of the machine's threads over runs and reductions.

On the CPU several runs execute concurrently, each on few threads, and each worker reduces its run before it starts the
next: one computes while another waits for memory, and no thread waits at the end of every operator for the slowest. On
a GPU one run at a time fills the device, and the threads share the reduction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

from onnx_ood.runtime.providers import Provider

Result = TypeVar("Result")

# Each worker keeps activations of its own; more of them would cost more memory than they save time.
_MAX_WORKERS = 8
# Each decoder holds a whole image.
_MAX_DECODERS = 16


def available_threads() -> int:
    """Count the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_workers(provider: Provider) -> int:
    """Choose the number of concurrent runs."""
    return min(available_threads(), _MAX_WORKERS) if provider == "cpu" else 1


def run_threads(provider: Provider) -> int:
    """Choose the number of threads per run; 0 leaves it to the runtime."""
    return max(1, available_threads() // run_workers(provider)) if provider == "cpu" else 0


def decoding_threads() -> int:
    """Choose the number of threads that decode inputs while the model runs.

    As many as there are CPUs, although runs on the CPU use all of them already: if the model is slower, decoders soon
    have filled their bounded queue and wait; if decoding is slower, no CPU is idle.
    """
    return min(available_threads(), _MAX_DECODERS)


class Workers:
    """Threads for concurrent runs, or for reductions if one run at a time fills the device.

    Attributes:
        runs: Number of concurrent runs.
    """

    def __init__(self, provider: Provider) -> None:
        """Choose the number of threads for a provider; they start when first needed."""
        self.runs = run_workers(provider)

    def map_runs(self, function: Callable[..., Result], *arguments: Iterable[Any]) -> list[Result]:
        """Call a function that runs the model, for each of some arguments.

        Returns:
            The results in order. If a call raises, so does this, and calls that have not begun are cancelled.
        """
        spread = self.runs > 1
        return list((self._threads.map if spread else map)(function, *arguments))

    def map_reductions(self, function: Callable[..., Result], *arguments: Iterable[Any]) -> list[Result]:
        """Call a function that reduces a run, within a call of `map_runs`.

        Returns:
            The results in order.
        """
        spread = self.runs == 1
        return list((self._threads.map if spread else map)(function, *arguments))

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        # Kept: new threads for every batch would leave their memory pools behind.
        workers = self.runs if self.runs > 1 else available_threads()
        return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="onnx-ood")
