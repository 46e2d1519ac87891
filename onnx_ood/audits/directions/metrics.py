"""Figures of the direction audit: AUROCs of all settings, what they say, and which factor matters most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from onnx_ood import metrics
from onnx_ood._types import Float
from onnx_ood.audits.directions.result import (
    Counts,
    Direction,
    Factor,
    FactorName,
    Level,
    SetDirections,
    Verdict,
)
from onnx_ood.audits.directions.settings import COPIES
from onnx_ood.metrics.effects import main_effects
from onnx_ood.results.base import Failure


class Levels(NamedTuple):
    """What was swept: the axes of a grid of AUROCs of one set."""

    layer: tuple[str, ...]
    scale: tuple[float, ...]
    noise: tuple[str, ...]
    copies: tuple[int, ...]


# The axes of grids of all sets.
_FACTORS: tuple[FactorName, ...] = ("set", "layer", "scale", "noise", "copies")


def aurocs(ordinary: Float, strange: Float) -> Float:
    """How well "a smaller drop is strange" tells a set in each setting.

    Args:
        ordinary: Drops of each copy, [N, families, scales, copies, layers].
        strange: The same of the set.

    Returns:
        AUROC of the mean over the first copies and its 95% interval, [layers, scales, families, numbers of copies, 3].
    """
    _, families, scales, _, layers = ordinary.shape
    grid = np.empty((layers, scales, families, len(COPIES), 3))
    for c, copies in enumerate(COPIES):
        usual, odd = (-drops[:, :, :, :copies].mean(axis=3) for drops in (ordinary, strange))
        for layer, scale, noise in np.ndindex(layers, scales, families):
            found = metrics.auroc(usual[:, noise, scale, layer], odd[:, noise, scale, layer])
            grid[layer, scale, noise, c] = found.value, found.low, found.high
    return grid


def _verdict(low: float, high: float) -> Verdict:
    return "holds" if low > 0.5 else "flips" if high < 0.5 else "inconclusive"


def count(grid: Float) -> Counts:
    """In how many settings the direction does what.

    Args:
        grid: AUROCs with their intervals, [..., 3].
    """
    holds, flips = int((grid[..., 1] > 0.5).sum()), int((grid[..., 2] < 0.5).sum())
    return Counts(holds=holds, flips=flips, inconclusive=grid[..., 0].size - holds - flips)


def set_directions(
    name: str,
    grid: Float,
    levels: Levels,
    inputs: int,
    failed: Sequence[Failure] | None,
) -> SetDirections:
    """What was found of one set.

    Args:
        name: Its name.
        grid: Its AUROCs, as `aurocs` gives them.
        levels: What was swept.
        inputs: How many of its inputs were measured.
        failed: Those that weren't; None for a set that is made.
    """
    cells = grid.reshape(-1, 3).tolist()
    return SetDirections(
        name=name,
        inputs=inputs,
        synthetic=failed is None,
        failed=tuple(failed or ()),
        counts=count(grid),
        auroc_low=float(grid[..., 0].min()),
        auroc_high=float(grid[..., 0].max()),
        shares=dict(zip(Levels._fields, main_effects(grid[..., 0]).tolist(), strict=True)),
        settings=tuple(
            Direction(
                layer=layer,
                scale=scale,
                noise=noise,
                copies=copies,
                auroc=value,
                low=low,
                high=high,
                verdict=_verdict(low, high),
            )
            for (layer, scale, noise, copies), (value, low, high) in zip(product(*levels), cells, strict=True)
        ),
    )


def factors_of(grids: Mapping[str, Float], levels: Levels) -> tuple[Factor, ...]:
    """What matters over all sets: the set, then what was swept, what matters most within sets first.

    Args:
        grids: AUROCs of each set, as `aurocs` gives them.
        levels: What was swept.
    """
    together = np.stack(list(grids.values()))
    areas = together[..., 0]
    # What moves one set up may move another one down, which a main effect over all sets doesn't see.
    spreads = areas.var(axis=(1, 2, 3, 4))
    effects = np.stack([main_effects(of_set) for of_set in areas])
    pooled = spreads @ effects / max(spreads.sum(), np.finfo(np.float64).tiny)
    factors = []
    for axis, (name, names, share, within) in enumerate(
        zip(
            _FACTORS,
            (tuple(grids), *levels),
            main_effects(areas).tolist(),
            (None, *pooled.tolist()),
            strict=True,
        )
    ):
        parts = np.moveaxis(together, axis, 0)
        factors.append(
            Factor(
                name=name,
                share=share,
                within=within,
                levels=tuple(
                    Level(level=f"{level}", auroc=float(part[..., 0].mean()), counts=count(part))
                    for level, part in zip(names, parts, strict=True)
                ),
            )
        )
    return tuple(sorted(factors, key=lambda one: -np.inf if one.within is None else -one.within))


def conclude(counts: Counts, sets: Sequence[SetDirections], factors: Sequence[Factor]) -> str:
    """What was found, as a sentence.

    Args:
        counts: Over all settings of all sets.
        sets: All sets.
        factors: What matters, the set first.
    """
    shares = [count / counts.settings for count in (counts.holds, counts.flips, counts.inconclusive)]
    holds, flips, nothing = (f"{share:.0%}" for share in shares)
    holding = [one.name for one in sets if one.counts.holds > one.counts.settings / 2]
    flipping = [one.name for one in sets if one.counts.flips > one.counts.settings / 2]
    rest = [one.name for one in sets if one.name not in (*holding, *flipping)]
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("it holds in most settings for", holding),
            ("it flips in most for", flipping),
            ("neither for", rest),
        )
        if names
    ]
    text = (
        'The published direction, "a smaller cosine drop is out-of-distribution", holds in '
        f"{holds} of settings, flips in {flips} and says nothing in {nothing}: {'; '.join(parts)}."
    )
    of_sets, most = factors[:2]
    if len(sets) > 1:
        text += f" Which set it is explains {of_sets.share:.0%} of the variance of the AUROC."
    if most.within:
        text += f" Within a set the {most.name} matters most: {most.within:.0%}."
    if holding and flipping:
        text += " No threshold on the drop from one side finds all of these sets."
    return text
