"""Noise families: unit draws, one stream for each (seed, copy)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod, sqrt
from types import MappingProxyType

import numpy as np

from onnx_ood._spelling import did_you_mean
from onnx_ood._types import Float
from onnx_ood.exceptions import UsageError
from onnx_ood.perturb.corruptions.synthetic_ood import pink_noise


def _gaussian(generator: np.random.Generator, shape: tuple[int, ...]) -> Float:
    return generator.standard_normal(shape)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> Float:
    # ±√3 gives a standard deviation of 1, so that a scale means the same for both families.
    return generator.uniform(-sqrt(3), sqrt(3), shape)


FAMILIES: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], Float]] = MappingProxyType(
    {"gaussian": _gaussian, "uniform": _uniform}
)


def draw(family: str, shape: Sequence[int], copies: int, seed: int) -> Float:
    """Draws unit noise on the host.

    Every copy has its own stream, seeded by (seed, copy): the first two of four copies are those of a run with two,
    and all inputs share them (common random numbers), so that two inputs' scores differ by the inputs alone.

    Args:
        family: `"gaussian"` or `"uniform"`; both have mean 0 and standard deviation 1.
        shape: Shape of one input, without the batch axis.
        copies: K, at least 1.
        seed: Any integer from 0.

    Returns:
        float64 [K, *shape].

    Raises:
        UsageError: If the family is unknown, or copies or seed out of range.
    """
    if family not in FAMILIES:
        raise UsageError(f"unknown noise family {family!r}; {did_you_mean(family, FAMILIES)}")
    if copies < 1:
        raise UsageError(f"copies must be at least 1, but is {copies}")
    if seed < 0:
        raise UsageError(f"seed must be 0 or larger, but is {seed}")
    return np.stack([FAMILIES[family](stream, tuple(shape)) for stream in _streams(copies, seed)])


def draw_pink(shape: Sequence[int], copies: int, seed: int) -> Float:
    """Draws unit 1/f noise for pictures, whose energy lies where that of photographs does, at low frequencies.

    Each channel of each copy is `pink_noise` brought to mean 0 and standard deviation 1; copies have the streams that
    they have in `draw`.

    Args:
        shape: `[H, W, C]`, of at least two pixels.
        copies: K, at least 1.
        seed: Any integer from 0.

    Returns:
        float64 [K, H, W, C].
    """
    noise = np.stack([pink_noise(shape, stream) for stream in _streams(copies, seed)]).astype(np.float64)
    centred = noise - noise.mean(axis=(1, 2), keepdims=True)
    unit: Float = centred / centred.std(axis=(1, 2), keepdims=True)
    return unit


def draw_smooth(shape: Sequence[int], copies: int, seed: int, *, channels_last: bool = False) -> Float:
    """Draws unit 1/f noise for inputs of any shape.

    It is smooth along the last two axes, or along the only one, and independent along those before: `[C, H, W]`.

    Args:
        shape: Shape of one input, without the batch axis.
        copies: K, at least 1.
        seed: Any integer from 0.
        channels_last: True for `[H, W, C]`, which is smooth along H and W.

    Returns:
        float64 [K, *shape]; white noise where there is a single place, at which there is no smoothness.
    """
    if channels_last and len(shape) == 3:
        return np.moveaxis(draw_smooth((shape[2], *shape[:2]), copies, seed), 1, -1)
    places = (1, 1, *shape)[-2:]
    if prod(places) < 2:
        return draw("gaussian", shape, copies, seed)
    noise = draw_pink((*places, prod(shape[:-2])), copies, seed)
    return np.moveaxis(noise, -1, 1).reshape(copies, *shape)


def _streams(copies: int, seed: int) -> list[np.random.Generator]:
    # A spawn key, unlike a list of both numbers, keeps copy 0 apart from default_rng(seed), with which callers draw
    # other things, and large seeds apart from small ones with another copy.
    sequences = (np.random.SeedSequence(seed, spawn_key=(copy,)) for copy in range(copies))
    return [np.random.default_rng(sequence) for sequence in sequences]
