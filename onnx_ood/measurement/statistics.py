"""The host's way to pair statistics: one blocked pass over the activations of both runs.

What depends on the clean activations alone is computed once for all copies. The pass is bound by memory: a tile of both
activations is read once, and everything else happens in the second-level cache.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Elements that are worked on at once: enough that Python's lock, which every step takes for a moment, is no matter
# where several threads do this beside each other, and few enough to stay in cache.
_TILE = 262_144
# Products are summed up in the activations' own type over this many elements, and in float64 beyond: that leaves
# at most some √4096·2⁻²⁴ of a sum. BLAS starts threads of its own for longer vectors, which would fight with those
# that share this work out already.
_CHUNK = 4_096
# Shorter rows are summed up in float64 from the start: there is no chunk to gain from.
_WIDE = 2_048
# So are rows whose squares are smaller than this in the mean, or overflow.
_SMALLEST = 1e-36


_own = threading.local()


class RowStatistics(NamedTuple):
    """Pair statistics of R pairs at one probe, one value a pair; `tabulate` adds axes behind.

    Attributes:
        aa: ‖a‖², float64 [R].
        ad: ⟨a, b − a⟩, float64 [R].
        dd: ‖b − a‖², float64 [R].
        flips: #{i : [aᵢ > 0] ≠ [bᵢ > 0]}, int64 [R].
        active: #{i : aᵢ > 0}, int64 [R].
    """

    aa: NDArray[np.float64]
    ad: NDArray[np.float64]
    dd: NDArray[np.float64]
    flips: NDArray[np.int64]
    active: NDArray[np.int64]


class CleanRows(NamedTuple):
    """Activations of clean inputs at one probe, ready to be compared with any number of nudged copies.

    Attributes:
        values: [R, U], float64 or float32; float16 is widened.
        on: Which units are on (> 0), bool [R, U].
        aa: ‖a‖², float64 [R].
        active: Number of units that are on, int64 [R].
    """

    values: NDArray[Any]
    on: NDArray[np.bool_]
    aa: NDArray[np.float64]
    active: NDArray[np.int64]


def clean_rows(clean: NDArray[Any]) -> CleanRows:
    """Computes what depends on the clean activations alone.

    Args:
        clean: Activations [R, ...], any floating dtype.

    Returns:
        What `pair_statistics` takes.
    """
    rows = clean.reshape(len(clean), -1)
    values = rows if rows.dtype in {np.dtype(np.float32), np.dtype(np.float64)} else rows.astype(np.float32)
    on = values > 0
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        aa = np.zeros(len(rows))
        for block, part in _tiles(values.shape):
            tile = values[block, part]
            aa[block] += _dots(tile, tile)
        for i in np.flatnonzero(_lost(aa, values.shape[1])):
            _, aa[i] = _in_float64(np.zeros_like(values[i]), values[i])
    return CleanRows(values, on, aa, _counts(on))


def pair_statistics(clean: CleanRows, nudged: NDArray[Any]) -> RowStatistics:
    """Reduces pairs of activations to their pair statistics.

    Small drops are not lost: differences of close numbers are exact, and sums are right to √4096·2⁻²⁴.

    Args:
        clean: Activations of the clean inputs.
        nudged: Activations of their nudged copies, [R, ...], in the dtype of the clean ones.

    Returns:
        The statistics of each row. A NaN or infinite activation makes `aa`, `ad` or `dd` of its row not finite.
    """
    b = nudged.reshape(len(nudged), -1)
    ad, dd = np.zeros(len(b)), np.zeros(len(b))
    flips = np.zeros(len(b), np.int64)
    wide = b.shape[1] >= _WIDE
    difference = _scratch("difference", min(b.size, _TILE), clean.values.dtype if wide else np.float64)
    codes = _scratch("codes", difference.size, np.bool_)
    # Overflow and arithmetic on NaN are results to report, not warnings to print.
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for block, part in _tiles(b.shape):
            tile_a, tile_b = clean.values[block, part], b[block, part]
            d, c = (scratch[: tile_b.size].reshape(tile_b.shape) for scratch in (difference, codes))
            np.subtract(tile_b, tile_a, out=d, dtype=d.dtype)
            ad[block] += _dots(tile_a, d)
            dd[block] += _dots(d, d)
            np.greater(tile_b, 0, out=c)
            np.not_equal(c, clean.on[block, part], out=c)
            flips[block] += _counts(c)
        for i in np.flatnonzero(_lost(dd, b.shape[1]) | ~np.isfinite(ad)):
            ad[i], dd[i] = _in_float64(clean.values[i], b[i])
    return RowStatistics(clean.aa, ad, dd, flips, clean.active)


def tabulate(columns: Sequence[Sequence[RowStatistics]]) -> RowStatistics:
    """Sets statistics side by side.

    Args:
        columns: For each of K copies the statistics [R] at each of P probes.

    Returns:
        The same numbers, [R, K, P] each.
    """
    fields = (np.array([[cell[i] for cell in column] for column in columns]) for i in range(5))
    return RowStatistics(*(np.moveaxis(field, -1, 0) for field in fields))


def _scratch(purpose: str, size: int, dtype: DTypeLike) -> NDArray[Any]:
    """Memory to work in, of this thread alone. Asked for anew each time, it would have to be cleared each time."""
    wanted = size * np.dtype(dtype).itemsize
    kept = getattr(_own, purpose, None)
    if kept is None or kept.size < wanted:
        kept = np.empty(wanted, np.uint8)
        setattr(_own, purpose, kept)
    return kept[:wanted].view(dtype)


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Cuts [R, U] into blocks: several short rows, or a part of a long one."""
    rows, size = shape
    height = max(1, _TILE // max(size, 1))
    for top in range(0, rows, height):
        for left in range(0, size, _TILE):
            yield slice(top, top + height), slice(left, left + _TILE)


def _dots(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """⟨x, y⟩ of each row, float64 [R]."""
    rows, size = x.shape
    total: NDArray[np.float64]
    if size < _WIDE:
        total = np.einsum("ij,ij->i", x, y, dtype=np.float64)
        return total
    chunks = size // _CHUNK
    whole = chunks * _CHUNK
    total = np.einsum("ij,ij->i", x[:, whole:], y[:, whole:], dtype=np.float64)
    if chunks:
        # One call for all chunks; for each it is BLAS's dot.
        left = x[:, :whole].reshape(rows, chunks, 1, _CHUNK)
        right = y[:, :whole].reshape(rows, chunks, _CHUNK, 1)
        total += np.matmul(left, right).sum(axis=(1, 2, 3), dtype=np.float64)
    return total


def _counts(codes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of true elements of each row."""
    # Row by row it is much faster than along an axis.
    return np.array([np.count_nonzero(row) for row in codes], dtype=np.int64)


def _lost(squares: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Which sums of squares the activations' type may not have held."""
    found: NDArray[np.bool_] = ~np.isfinite(squares) | (squares < size * _SMALLEST)
    return found


def _in_float64(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    """⟨a, b − a⟩ and ‖b − a‖² of one row."""
    ad = dd = 0.0
    for start in range(0, b.size, _TILE):
        part = a[start : start + _TILE].astype(np.float64)
        difference = b[start : start + _TILE] - part
        ad += float(np.einsum("i,i", part, difference))
        dd += float(np.einsum("i,i", difference, difference))
    return ad, dd
