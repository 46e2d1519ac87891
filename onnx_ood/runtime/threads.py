"""How the machine's cores are shared out.

On the CPU several runs go on beside each other, each on few threads, and each worker reduces what it has run before it
runs the next: so one is computing while another waits for memory, and no core waits at the end of every operator
for the slowest. On a GPU one run at a time fills the device, and the cores share the reduction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

from onnx_ood.runtime.providers import Provider

Result = TypeVar("Result")

# Each worker keeps activations of its own; beyond this, more of them would cost more memory than they save time.
_MOST_WORKERS = 8
# Each decoder holds a whole picture.
_MOST_DECODERS = 16


def available_threads() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_workers(provider: Provider) -> int:
    """How many runs go on beside each other."""
    return min(available_threads(), _MOST_WORKERS) if provider == "cpu" else 1


def run_threads(provider: Provider) -> int:
    """How many threads one run has; 0 leaves it to the runtime."""
    return max(1, available_threads() // run_workers(provider)) if provider == "cpu" else 0


def decoding_threads() -> int:
    """How many threads decode the next inputs while the model runs.

    As many as there are cores, on the CPU too, where the runs have them all already: where the model is the slower
    side, decoders have done their bounded share soon and wait; where decoding is, no core is left idle.
    """
    return min(available_threads(), _MOST_DECODERS)


class Workers:
    """Threads that share out runs, or, where one run at a time fills the device, reductions.

    Attributes:
        runs: How many runs go on beside each other.
    """

    def __init__(self, provider: Provider) -> None:
        """Makes them for a provider; threads are started when they are needed."""
        self.runs = run_workers(provider)

    def map_runs(self, function: Callable[..., Result], *arguments: Iterable[Any]) -> list[Result]:
        """Calls a function that runs the model, for each of some arguments.

        Returns:
            The results in order. If a call raises, so does this, and calls that have not begun are given up.
        """
        spread = self.runs > 1
        return list((self._threads.map if spread else map)(function, *arguments))

    def map_reductions(self, function: Callable[..., Result], *arguments: Iterable[Any]) -> list[Result]:
        """Calls a function that reduces what a run gave; within a call of `map_runs` on its own thread.

        Returns:
            The results in order.
        """
        spread = self.runs == 1
        return list((self._threads.map if spread else map)(function, *arguments))

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        # Kept for life: new threads for every batch would leave their memory pools behind.
        workers = self.runs if self.runs > 1 else available_threads()
        return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="onnx-ood")
