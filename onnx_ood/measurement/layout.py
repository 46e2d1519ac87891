"""How inputs are laid out in runs: how many at once, and where each one's share of a tensor lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood.measurement.statistics import pair_statistics

# Activations that are kept for one run, clean and nudged together, without and with a batch size of the user's.
_AUTO_BYTES = 256 * 2**20
_MOST_BYTES = 2**30
_MOST_ROWS = {"cpu": 32, "cuda": 64}

# Two inputs in one run are kept apart if each one's share equals what it is alone, up to kernels that round
# otherwise for another shape. Models that mix inputs (statistics over the batch, transposed layouts) miss this by far.
_SAME = 1e-4


@dataclass(frozen=True, slots=True)
class Layout:
    """How the inputs of one measurement are run.

    Attributes:
        rows: Inputs in one run.
        fixed: True if a run must have exactly `rows` inputs; the last one is then filled up.
        groups: The probes, split so that what one run keeps stays within memory.
        note: What a user should know about it, or empty.
    """

    rows: int
    fixed: bool
    groups: tuple[tuple[str, ...], ...]
    note: str = ""


def rows_kept_apart(
    single: Sequence[NDArray[np.generic]], double: Sequence[NDArray[np.generic]]
) -> list[bool]:
    """Tells for each tensor whether two inputs in one run stay apart on its first axis.

    Args:
        single: Tensors of a run with one input.
        double: The same tensors of a run with that input followed by another one.

    Returns:
        True for each tensor whose first half, in the second run, is what the first run gave.
    """
    return [_apart(one, two) for one, two in zip(single, double, strict=True)]


def _apart(one: NDArray[np.generic], two: NDArray[np.generic]) -> bool:
    if one.ndim == 0 or two.shape != (2 * one.shape[0], *one.shape[1:]):
        return False
    half = two[: one.shape[0]]
    if not np.issubdtype(one.dtype, np.floating) or not one.size:
        return True
    same = np.array_equal(one, half, equal_nan=True)
    if same:
        return True
    stats = pair_statistics(one[np.newaxis], half[np.newaxis])
    drop = metrics.cosine_drop(stats.aa, stats.ad, stats.dd)[0]
    return bool(drop <= _SAME and stats.dd[0] <= _SAME * stats.aa[0])


def plan(
    probe_bytes: dict[str, int], *, provider: str, batch_size: int | None, fixed: int | None, note: str
) -> Layout:
    """Chooses how many inputs go into one run, and splits the probes if one run would keep too much.

    Args:
        probe_bytes: Bytes that one input takes at each probe.
        provider: `"cuda"` or `"cpu"`.
        batch_size: The user's choice, or None.
        fixed: The batch size written into the model, or None.
        note: Why inputs have to be run one at a time, or empty.

    Returns:
        The layout. Memory for activations stays below 1 GiB whatever the number of probes, unless a single probe
        needs more for the rows asked for.
    """
    per_input = 2 * sum(probe_bytes.values())  # Clean and nudged.
    if fixed is not None:
        rows = fixed
    elif note:
        rows = 1
    elif batch_size is not None:
        rows = batch_size
    else:
        rows = max(1, min(_MOST_ROWS[provider], _AUTO_BYTES // max(per_input, 1)))
    groups: list[list[str]] = [[]]
    kept = 0
    for name, size in probe_bytes.items():
        needed = 2 * rows * size
        if groups[-1] and kept + needed > _MOST_BYTES:
            groups.append([])
            kept = 0
        groups[-1].append(name)
        kept += needed
    return Layout(rows, fixed is not None, tuple(tuple(group) for group in groups), note)
