"""Choice of trajectories through input space for a sensitivity audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.sensitivity.result import TrajectoryType
from onnx_ood.perturb.trajectories import Trajectory, ellipse_through, random_ellipse, translations

# Translations per ring.
_POSITIONS = 16
# Draws per requested triple of inputs before giving up, if classes have too few inputs.
_DRAWS = 50
# Length, relative to the largest value, below which a trajectory is a point but for rounding.
_ROUNDING = 1e-9


class Chosen(NamedTuple):
    """One trajectory with its type and inputs.

    Attributes:
        type: Its type.
        inputs: Indices of the inputs on it.
        trajectory: The trajectory.
    """

    type: TrajectoryType
    inputs: tuple[int, ...]
    trajectory: Trajectory


def choose_trajectories(
    points: NDArray[Any], classes: Sequence[str | None], width: int | None, count: int, seed: int
) -> list[Chosen]:
    """Choose trajectories of each type that the inputs allow.

    Args:
        points: Inputs as the model takes them, [N, *input].
        classes: Class of each input. Inputs without one (None) are on no ellipse of classes.
        width: Axis of `input` along which pictures are shifted; None if the inputs are not pictures.
        count: Most trajectories of each type.
        seed: Seed of the random draws.

    Returns:
        Rings of translations of single inputs; the smallest ellipses through three inputs of one class, and of three
        classes; ellipses in random directions around the mean of all inputs, as long as the distances of two inputs
        from it. Trajectories of length 0 (translations of a constant picture) are left out.
    """
    rng = np.random.default_rng(seed)
    values = np.asarray(points, np.float64)
    chosen: list[Chosen] = []
    if width is not None:
        positions = min(_POSITIONS, values.shape[1 + width])
        chosen += [
            Chosen("translations", (i,), translations(values[i], positions, axis=width))
            for i in range(min(count, len(values)))
        ]
    kinds: tuple[tuple[TrajectoryType, int], ...] = (("same_class", 1), ("different_classes", 3))
    for kind, wanted in kinds:
        for triple in _triples(classes, wanted, count, rng):
            chosen.append(Chosen(kind, triple, ellipse_through(*values[list(triple)])))
    centre = values.mean(axis=0)
    norms = np.linalg.norm((values - centre).reshape(len(values), -1), axis=1)
    far = np.flatnonzero(norms > 0)
    if len(far) > 1:
        for _ in range(count):
            first, second = rng.choice(far, 2, replace=False)
            drawn = int(rng.integers(2**31))
            chosen.append(
                Chosen(
                    "random", (), random_ellipse(centre, (float(norms[first]), float(norms[second])), drawn)
                )
            )
    # An ellipse through three equal inputs has a length of rounding errors.
    rounding = _ROUNDING * float(np.abs(values).max(initial=0))
    return [one for one in chosen if one.trajectory.length > rounding]


def _triples(
    classes: Sequence[str | None], wanted: int, count: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """Draw distinct sets of three inputs, all of one class or of three classes."""
    members = [
        np.flatnonzero([of == one for of in classes]) for one in dict.fromkeys(classes) if one is not None
    ]
    if wanted == 1:
        members = [some for some in members if len(some) > 2]
    if len(members) < wanted:
        return []
    found: dict[tuple[int, ...], None] = {}
    for _ in range(_DRAWS * count):
        if len(found) == count:
            break
        drawn = rng.choice(len(members), wanted, replace=False)
        each = 3 // wanted
        triple = np.concatenate([rng.choice(members[one], each, replace=False) for one in drawn])
        found[tuple(sorted(triple.tolist()))] = None
    return list(found)
