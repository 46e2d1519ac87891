"""Random and grey pictures for tests of corruptions."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Picture = NDArray[np.float32]

sides = st.integers(8, 40)
seeds = st.integers(0, 2**32)
# Sides and channels, with or without an axis of several pictures.
shapes = st.tuples(
    st.integers(4, 20), st.integers(4, 20), st.sampled_from([1, 3])
) | st.tuples(st.integers(0, 3), st.integers(4, 20), st.integers(4, 20), st.sampled_from([1, 3]))  # fmt: skip


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(height: int, width: int, channels: int = 3, seed: int = 1) -> Picture:
    return generator(seed).random((height, width, channels), dtype=np.float32)


def pictures(*shape: int, seed: int = 1) -> Picture:
    return generator(seed).random(shape, dtype=np.float32)


def grey(level: float, side: int = 200) -> Picture:
    return np.full((side, side, 3), level, np.float32)
