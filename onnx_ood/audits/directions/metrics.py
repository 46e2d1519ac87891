"""Metrics of the directions audit: AUROCs of all combinations, their directions, and the weight of each factor."""

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
    """Levels of the swept factors: the axes of a grid of AUROCs of one set."""

    layer: tuple[str, ...]
    scale: tuple[float, ...]
    noise: tuple[str, ...]
    copies: tuple[int, ...]


# Axes of the grids of all sets.
_FACTORS: tuple[FactorName, ...] = ("set", "layer", "scale", "noise", "copies")


def aurocs(usual: Float, ood: Float) -> Float:
    """Compute the AUROC of "a smaller drop is out-of-distribution" for each combination.

    Args:
        usual: Drops of each copy of the in-distribution inputs, float64 [N, noises, scales, copies, layers].
        ood: Drops of the out-of-distribution set, of the same shape.

    Returns:
        AUROC of the mean over the first copies and its 95% interval, float64 [layers, scales, noises, numbers of
        copies, 3].
    """
    _, noises, scales, _, layers = usual.shape
    grid = np.empty((layers, scales, noises, len(COPIES), 3))
    for c, copies in enumerate(COPIES):
        low, high = (-drops[:, :, :, :copies].mean(axis=3) for drops in (usual, ood))
        for layer, scale, noise in np.ndindex(layers, scales, noises):
            found = metrics.auroc(low[:, noise, scale, layer], high[:, noise, scale, layer])
            grid[layer, scale, noise, c] = found.value, found.low, found.high
    return grid


def _verdict(low: float, high: float) -> Verdict:
    return "holds" if low > 0.5 else "flips" if high < 0.5 else "inconclusive"


def count(grid: Float) -> Counts:
    """Count the combinations in which the direction holds, flips or is inconclusive.

    Args:
        grid: AUROCs with their intervals, float64 [..., 3].
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
    """Summarise one set.

    Args:
        name: Name of the set.
        grid: AUROCs, as `aurocs` returns them.
        levels: Levels of the swept factors.
        inputs: Number of measured inputs.
        failed: Inputs that could not be measured; None for a synthetic set.
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
    """Compute the weight of each factor over all sets.

    Args:
        grids: AUROCs of each set, as `aurocs` returns them.
        levels: Levels of the swept factors.

    Returns:
        The set, then the swept factors by their share of the variance within sets, the largest first.
    """
    together = np.stack(list(grids.values()))
    areas = together[..., 0]
    # A factor may raise the AUROC of one set and lower that of another; a main effect over all sets misses that.
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
    """Return the conclusion in sentences.

    Args:
        counts: Counts over all combinations of all sets.
        sets: All sets.
        factors: Factors as `factors_of` returns them.
    """
    shares = [count / counts.settings for count in (counts.holds, counts.flips, counts.inconclusive)]
    holds, flips, nothing = (f"{share:.0%}" for share in shares)
    holding = [one.name for one in sets if one.counts.holds > one.counts.settings / 2]
    flipping = [one.name for one in sets if one.counts.flips > one.counts.settings / 2]
    rest = [one.name for one in sets if one.name not in (*holding, *flipping)]
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("it holds in most combinations for", holding),
            ("it flips in most for", flipping),
            ("neither for", rest),
        )
        if names
    ]
    text = (
        'The published direction, "a smaller cosine drop is out-of-distribution", holds in '
        f"{holds} of combinations, flips in {flips} and is inconclusive in {nothing}: {'; '.join(parts)}."
    )
    of_sets, most = factors[:2]
    if len(sets) > 1:
        text += f" The set explains {of_sets.share:.0%} of the variance of the AUROC."
    if most.within:
        text += f" Within a set the {most.name} explains most: {most.within:.0%}."
    if holding and flipping:
        text += " No one-sided threshold on the drop detects all of these sets."
    return text
